/** What is wrong with a YAML text, and in which line of it, from 0. It never leaves this folder: readers make a value of it. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly line: number;

  constructor(line: number, message: string) {
    // It may quote a name that is as long as the text.
    super(message.slice(0, 300));
    this.line = line;
  }
}

const [TAB, LF, CR, SPACE, NEL, LS, PS] = [0x09, 0x0a, 0x0d, 0x20, 0x85, 0x2028, 0x2029] as const;
const BOM = 0xfeff;

/** A space or a tab. */
export const isBlank = (code: number): boolean => code === SPACE || code === TAB;

/** A line break of YAML 1.1. */
export const isBreak = (code: number): boolean =>
  code === LF || code === CR || code === NEL || code === LS || code === PS;

/** A line break or the end. */
export const isEndOfLine = (code: number): boolean => code === 0 || isBreak(code);

/** A blank, a line break or the end. */
export const isSpace = (code: number): boolean => isBlank(code) || isEndOfLine(code);

/** Letters, digits, `_` and `-`: what names of anchors, tags and directives are made of. */
export const isWord = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x5f ||
  code === 0x2d;

/** A place in a text that moves forward only. */
export class Cursor {
  readonly text: string;
  pos = 0;
  /** From 0. */
  line = 0;
  /** Where the present line begins. */
  lineStart = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** From 0, in UTF-16 units: only indentation is measured with it, and that is spaces. */
  get column(): number {
    return this.pos - this.lineStart;
  }

  /** The character so many places ahead; 0 at the end of the text, which holds no NUL. */
  peek(ahead = 0): number {
    const at = this.pos + ahead;
    return at < this.text.length ? this.text.charCodeAt(at) : 0;
  }

  skipBlanks(): void {
    while (isBlank(this.peek())) this.pos++;
  }

  /** To the end of the line, before its break. */
  skipLine(): void {
    while (!isEndOfLine(this.peek())) this.pos++;
  }

  /** A comment, where there is one. */
  skipComment(): void {
    if (this.peek() === 0x23) this.skipLine();
  }

  /** Files that were joined have byte order marks within; one at the beginning of a line is no text. */
  skipByteOrderMark(): void {
    if (this.pos !== this.lineStart || this.peek() !== BOM) return;
    this.pos++;
    this.lineStart = this.pos;
  }

  /** A line break as it counts in a scalar: all but LS and PS are LF. Empty where there is none. */
  readBreak(): string {
    const code = this.peek();
    if (!isBreak(code)) return '';
    this.pos += code === CR && this.peek(1) === LF ? 2 : 1;
    this.line++;
    this.lineStart = this.pos;
    return code === LS || code === PS ? String.fromCharCode(code) : '\n';
  }

  /** Whether `---` or `...` stands here, alone at the beginning of a line. */
  atDocumentIndicator(): boolean {
    if (this.pos !== this.lineStart) return false;
    const code = this.peek();
    return (code === 0x2d || code === 0x2e) && this.peek(1) === code && this.peek(2) === code && isSpace(this.peek(3));
  }
}
