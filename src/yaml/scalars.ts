import { type Cursor, isBlank, isBreak, isEndOfLine, isSpace, YamlError } from './cursor.ts';

const [QUOTE, APOSTROPHE, HASH, PLUS, COMMA, MINUS, ZERO, NINE, COLON, QUESTION] = [
  0x22, 0x27, 0x23, 0x2b, 0x2c, 0x2d, 0x30, 0x39, 0x3a, 0x3f,
];
const [OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [0x5b, 0x5c, 0x5d, 0x7b, 0x7d];

const endsPlainInFlow = (code: number): boolean =>
  code === COMMA ||
  code === QUESTION ||
  code === OPEN_LIST ||
  code === CLOSE_LIST ||
  code === OPEN_MAP ||
  code === CLOSE_MAP;

/** Line breaks within a flow scalar: the first becomes a space, unless more follow; those stay. */
const folded = (first: string, more: string): string => (first === '\n' ? more || ' ' : first + more);

/**
 * A scalar without quotes. `indent` is the least column of its further lines; in a flow collection they may have any. A colon ends it only
 * before a space: `[192.0.2.7, 2001:db8::]` are two texts. Says whether a line break ended it.
 */
export function plainScalar(at: Cursor, indent: number, inFlow: boolean): { text: string; endedLine: boolean } {
  const started = at.line;
  let text = '';
  let space = '';
  let endedLine = false;
  while (!at.atDocumentIndicator() && at.peek() !== HASH) {
    const from = at.pos;
    for (let code = at.peek(); !isSpace(code); code = at.peek()) {
      if (code === COLON && isSpace(at.peek(1))) break;
      if (inFlow && endsPlainInFlow(code)) break;
      at.pos++;
    }
    if (at.pos > from) {
      text += space + at.text.slice(from, at.pos);
      endedLine = false;
    }
    if (!isSpace(at.peek()) || at.peek() === 0) break;

    const blanks = at.pos;
    at.skipBlanks();
    space = at.text.slice(blanks, at.pos);
    if (isBreak(at.peek())) {
      const first = at.readBreak();
      let more = '';
      endedLine = true;
      for (let code = at.peek(); isBlank(code) || isBreak(code); code = at.peek()) {
        if (isBreak(code)) more += at.readBreak();
        else if (code === 0x09 && at.column < indent) {
          throw new YamlError(at.line, `a tab indents the text that begins in line ${started + 1}; use spaces`);
        } else at.pos++;
      }
      space = folded(first, more);
    }
    if (!inFlow && at.column < indent) break;
  }
  return { text, endedLine };
}

const escapes: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  "'": "'",
  '\\': '\\',
  // JSON's; kubectl reads JSON with Go's reader for it.
  '/': '/',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
};

const hexLength: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function hex(at: Cursor, length: number): number {
  const digits = at.text.slice(at.pos, at.pos + length);
  if (digits.length < length || !/^[0-9A-Fa-f]+$/.test(digits)) {
    throw new YamlError(at.line, 'an escape in quotes lacks hexadecimal digits');
  }
  at.pos += length;
  return Number.parseInt(digits, 16);
}

/** An escape of a double-quoted scalar, from its backslash on. */
function escape(at: Cursor): string {
  const letter = at.text.charAt(at.pos + 1);
  at.pos += 2;
  const plain = escapes[letter];
  if (plain !== undefined) return plain;
  const length = hexLength[letter];
  if (!length)
    throw new YamlError(at.line, `there is no escape \\${letter} in double quotes; write \\\\ for a backslash`);
  let code = hex(at, length);
  // Two halves are one character in JSON.
  if (code >= 0xd800 && code <= 0xdbff && at.text.startsWith('\\u', at.pos)) {
    at.pos += 2;
    const low = hex(at, 4);
    if (low >= 0xdc00 && low <= 0xdfff) code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
  }
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw new YamlError(at.line, `an escape in quotes is no character: ${code.toString(16)}`);
  }
  return String.fromCodePoint(code);
}

/** A scalar in quotes, from the first to the last. */
export function quotedScalar(at: Cursor): string {
  const started = at.line;
  const quote = at.peek();
  const parts: string[] = [];
  at.pos++;
  for (;;) {
    if (at.atDocumentIndicator()) {
      throw new YamlError(
        at.line,
        `the quote that opens in line ${started + 1} is not closed before the document ends`,
      );
    }
    let escapedBreak = false;
    let from = at.pos;
    for (let code = at.peek(); !isSpace(code) && !escapedBreak; code = at.peek()) {
      if (code === quote) {
        if (quote !== APOSTROPHE || at.peek(1) !== APOSTROPHE) break;
        parts.push(at.text.slice(from, at.pos + 1));
        at.pos += 2;
        from = at.pos;
      } else if (code === BACKSLASH && quote === QUOTE) {
        parts.push(at.text.slice(from, at.pos));
        if (isBreak(at.peek(1))) {
          at.pos++;
          at.readBreak();
          escapedBreak = true;
        } else parts.push(escape(at));
        from = at.pos;
      } else at.pos++;
    }
    parts.push(at.text.slice(from, at.pos));
    if (at.peek() === quote) break;
    if (at.peek() === 0) {
      throw new YamlError(at.line, `the quote that opens in line ${started + 1} is not closed`);
    }
    parts.push(quotedSpace(at, escapedBreak));
  }
  at.pos++;
  return parts.join('');
}

/** Blanks and line breaks within quotes, as they count. After an escaped line break the indentation of the next line does not. */
function quotedSpace(at: Cursor, escapedBreak: boolean): string {
  const from = at.pos;
  at.skipBlanks();
  if (!escapedBreak && !isBreak(at.peek())) return at.text.slice(from, at.pos);
  const first = escapedBreak ? '' : at.readBreak();
  const more: string[] = [];
  for (let code = at.peek(); isBlank(code) || isBreak(code); code = at.peek()) {
    if (isBreak(code)) more.push(at.readBreak());
    else at.pos++;
  }
  // What follows an escaped break is no first line: all of its breaks stay.
  return escapedBreak ? more.join('') : folded(first, more.join(''));
}

/** A scalar after `|` or `>`. `parentIndent` is the column of the collection that it stands in, -1 for none. */
export function blockScalar(at: Cursor, parentIndent: number): string {
  const started = at.line;
  const literal = at.peek() === 0x7c;
  at.pos++;
  const { chomp, increment } = blockHeader(at, started);
  let indent = increment ? Math.max(parentIndent, 0) + increment : 0;
  const parts: string[] = [];
  let first = '';
  let leadingBlank = false;
  const blank = blockBreaks(at, indent, parentIndent, started);
  indent = blank.indent;
  let more = blank.breaks;
  while (at.column === indent && at.peek() !== 0) {
    const startsBlank = isBlank(at.peek());
    if (!literal && first === '\n' && !leadingBlank && !startsBlank) parts.push(more ? '' : ' ');
    else parts.push(first);
    parts.push(more);
    leadingBlank = startsBlank;
    const from = at.pos;
    at.skipLine();
    parts.push(at.text.slice(from, at.pos));
    first = at.readBreak();
    more = blockBreaks(at, indent, parentIndent, started).breaks;
  }
  if (chomp !== '-') parts.push(first);
  if (chomp === '+') parts.push(more);
  return parts.join('');
}

function blockHeader(at: Cursor, started: number): { chomp: string; increment: number } {
  let chomp = '';
  let increment = 0;
  for (let i = 0; i < 2; i++) {
    const code = at.peek();
    if (!chomp && (code === PLUS || code === MINUS)) chomp = String.fromCharCode(code);
    else if (!increment && code >= ZERO && code <= NINE) {
      increment = code - ZERO;
      if (!increment) throw new YamlError(started, 'the indentation of a block text cannot be 0');
    } else break;
    at.pos++;
  }
  at.skipBlanks();
  at.skipComment();
  if (!isEndOfLine(at.peek())) throw new YamlError(started, 'a block text begins in the line after its | or >');
  at.readBreak();
  return { chomp, increment };
}

/** Blank lines before the next line of a block scalar, and its indentation where the first line is to say it. */
function blockBreaks(
  at: Cursor,
  indent: number,
  parentIndent: number,
  started: number,
): { indent: number; breaks: string } {
  const breaks: string[] = [];
  let most = 0;
  for (;;) {
    while ((!indent || at.column < indent) && at.peek() === 0x20) at.pos++;
    most = Math.max(most, at.column);
    if ((!indent || at.column < indent) && at.peek() === 0x09) {
      throw new YamlError(at.line, `a tab indents the text that begins in line ${started + 1}; use spaces`);
    }
    if (!isBreak(at.peek())) break;
    breaks.push(at.readBreak());
  }
  return { indent: indent || Math.max(most, parentIndent + 1, 1), breaks: breaks.join('') };
}
