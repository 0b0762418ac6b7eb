import { Cursor, isBreak, isSpace, isWord, YamlError } from './cursor.ts';
import { blockScalar, plainScalar, quotedScalar } from './scalars.ts';
import { type Token, type TokenType, token } from './token.ts';

/** Where a token is. */
interface Place {
  /** Among all tokens of the text. */
  readonly number: number;
  readonly line: number;
  readonly column: number;
}

/** A token that turns out to be a key when a colon follows it. */
interface SimpleKey extends Place {
  possible: boolean;
  /** Nothing but a key may stand here. */
  readonly required: boolean;
  readonly pos: number;
}

const noKey: SimpleKey = Object.freeze({ possible: false, required: false, number: 0, pos: 0, line: 0, column: 0 });

/** As in libyaml: so far behind the beginning of a key its colon may be, in the same line. */
const maxKeyLength = 1024;

/**
 * Cuts a text into the tokens of YAML 1.1, as libyaml and the reader of kubectl (go.yaml.in/yaml/v2, scannerc.go) do. Takes linear time: it
 * looks ahead at most as far as a key may be long.
 */
export class Scanner {
  readonly #at: Cursor;
  /** Tokens that are not handed out yet: a colon turns what is before it into a key. */
  #tokens: Token[] = [];
  #head = 0;
  #handedOut = 0;
  #indent = -1;
  readonly #indents: number[] = [];
  /** One for the block context and one for each open flow collection. */
  readonly #keys: SimpleKey[] = [noKey];
  readonly #keysByNumber = new Map<number, SimpleKey>();
  #keyAllowed = true;

  constructor(text: string) {
    this.#at = new Cursor(text);
  }

  /** The next token; `end` for ever after the last. */
  peek(): Token {
    for (;;) {
      const next = this.#tokens[this.#head];
      if (next && (next.type === 'end' || !this.#mayBecomeKey(this.#handedOut))) return next;
      this.#fetch();
    }
  }

  /** Takes the next token. */
  next(): Token {
    const next = this.peek();
    if (next.type === 'end') return next;
    this.#head++;
    this.#handedOut++;
    if (this.#head === this.#tokens.length) {
      this.#tokens = [];
      this.#head = 0;
    }
    return next;
  }

  get #inFlow(): boolean {
    return this.#keys.length > 1;
  }

  #add(type: TokenType, line: number, value = '', suffix = '', plain = false): void {
    this.#tokens.push(token(type, line, value, suffix, plain));
  }

  /** Takes in the next piece of the text. */
  #fetch(): void {
    const at = this.#at;
    this.#skipToToken();
    this.#unrollIndent(at.column);
    const code = at.peek();
    if (code === 0) this.#fetchEnd();
    else if (at.column === 0 && code === 0x25) this.#fetchDirective();
    else if (at.atDocumentIndicator()) this.#fetchDocumentIndicator();
    else this.#fetchByFirst(String.fromCharCode(code));
  }

  /** Takes in what begins with this character. */
  #fetchByFirst(first: string): void {
    const isAlone = isSpace(this.#at.peek(1));
    if (first === '[') this.#openFlow('flow sequence start');
    else if (first === '{') this.#openFlow('flow mapping start');
    else if (first === ']') this.#closeFlow('flow sequence end');
    else if (first === '}') this.#closeFlow('flow mapping end');
    else if (first === ',') this.#fetchFlowEntry();
    else if (first === '-' && isAlone) this.#fetchBlockEntry();
    else if (first === '?' && (this.#inFlow || isAlone)) this.#fetchKey();
    else if (first === ':' && (this.#inFlow || isAlone)) this.#fetchValue();
    else if (first === '*') this.#fetchAnchor('alias');
    else if (first === '&') this.#fetchAnchor('anchor');
    else if (first === '!') this.#fetchTag();
    else if ((first === '|' || first === '>') && !this.#inFlow) this.#fetchBlockScalar();
    else if (first === "'" || first === '"') this.#fetchQuoted();
    else this.#fetchPlain(first);
  }

  #fetchFlowEntry(): void {
    this.#forgetKey();
    this.#keyAllowed = true;
    this.#add('flow entry', this.#at.line);
    this.#at.pos++;
  }

  #fetchBlockScalar(): void {
    const { line } = this.#at;
    this.#forgetKey();
    this.#keyAllowed = true;
    this.#add('scalar', line, blockScalar(this.#at, this.#indent));
  }

  #fetchQuoted(): void {
    const { line } = this.#at;
    this.#saveKey();
    this.#keyAllowed = false;
    this.#add('scalar', line, quotedScalar(this.#at));
  }

  #fetchPlain(first: string): void {
    const at = this.#at;
    const { line } = at;
    // Indicators of what cannot stand here, and those that are kept for later versions of YAML.
    if ('\t|>%@`'.includes(first)) throw new YamlError(line, cannotStart(first));
    this.#saveKey();
    this.#keyAllowed = false;
    const { text, endedLine } = plainScalar(at, this.#indent + 1, this.#inFlow);
    if (endedLine) this.#keyAllowed = true;
    this.#add('scalar', line, text, '', true);
  }

  /** Past blanks, comments and line breaks. A tab does not indent. */
  #skipToToken(): void {
    const at = this.#at;
    for (;;) {
      at.skipByteOrderMark();
      for (
        let code = at.peek();
        code === 0x20 || (code === 0x09 && (this.#inFlow || !this.#keyAllowed));
        code = at.peek()
      ) {
        at.pos++;
      }
      at.skipComment();
      if (!isBreak(at.peek())) return;
      at.readBreak();
      if (!this.#inFlow) this.#keyAllowed = true;
    }
  }

  // Keys: what may be one is noted where it begins.

  /** Whether the token of this number is still waiting for its colon. */
  #mayBecomeKey(number: number): boolean {
    const key = this.#keysByNumber.get(number);
    return key !== undefined && this.#isPossible(key);
  }

  #isPossible(key: SimpleKey): boolean {
    if (!key.possible) return false;
    if (key.line === this.#at.line && this.#at.pos <= key.pos + maxKeyLength) return true;
    this.#drop(key);
    return false;
  }

  #drop(key: SimpleKey): void {
    if (!key.possible) return;
    if (key.required)
      throw new YamlError(key.line, 'a colon is missing: this is no key of the mapping that it stands in');
    key.possible = false;
    this.#keysByNumber.delete(key.number);
  }

  get #key(): SimpleKey {
    return this.#keys[this.#keys.length - 1] ?? noKey;
  }

  #forgetKey(): void {
    this.#drop(this.#key);
  }

  #saveKey(): void {
    if (!this.#keyAllowed) return;
    this.#forgetKey();
    const { pos, line, column } = this.#at;
    const required = !this.#inFlow && this.#indent === column;
    const key: SimpleKey = { possible: true, required, number: this.#numberOfNext, pos, line, column };
    this.#keys[this.#keys.length - 1] = key;
    this.#keysByNumber.set(key.number, key);
  }

  // Indentation: in the block context it opens and closes collections.

  /** Opens a collection in the column of this place, unless one is open there. */
  #rollIndent(type: TokenType, { column, number, line }: Place): void {
    if (this.#inFlow || this.#indent >= column) return;
    this.#indents.push(this.#indent);
    this.#indent = column;
    this.#insert(number, token(type, line));
  }

  /** Opens a collection here where it is a block's; what begins one has to be the first of its line. */
  #openBlock(type: TokenType, fault: string): void {
    if (this.#inFlow) return;
    if (!this.#keyAllowed) throw new YamlError(this.#at.line, fault);
    const { line, column } = this.#at;
    this.#rollIndent(type, { number: this.#numberOfNext, line, column });
  }

  #unrollIndent(column: number): void {
    if (this.#inFlow) return;
    while (this.#indent > column) {
      this.#add('block end', this.#at.line);
      this.#indent = this.#indents.pop() ?? -1;
    }
  }

  #insert(number: number, inserted: Token): void {
    this.#tokens.splice(this.#head + number - this.#handedOut, 0, inserted);
  }

  get #numberOfNext(): number {
    return this.#handedOut + this.#tokens.length - this.#head;
  }

  /** Closes all that is open. Nothing can become a key any more. */
  #fetchEnd(): void {
    const { line } = this.#at;
    for (const key of this.#keys) this.#drop(key);
    this.#endDocument();
    this.#add('end', line);
  }

  #endDocument(): void {
    this.#unrollIndent(-1);
    this.#forgetKey();
    this.#keyAllowed = false;
  }

  #fetchDocumentIndicator(): void {
    const at = this.#at;
    this.#endDocument();
    this.#add(at.peek() === 0x2d ? 'document start' : 'document end', at.line);
    at.pos += 3;
  }

  #fetchDirective(): void {
    const at = this.#at;
    this.#endDocument();
    const from = at.pos + 1;
    at.skipLine();
    const words = at.text
      .slice(from, at.pos)
      .replace(/\s#.*$/, '')
      .trim()
      .split(/[ \t]+/);
    this.#add('directive', at.line, words[0] ?? '', words.slice(1).join(' '));
  }

  #openFlow(type: TokenType): void {
    this.#saveKey();
    this.#keys.push(noKey);
    this.#keyAllowed = true;
    this.#add(type, this.#at.line);
    this.#at.pos++;
  }

  #closeFlow(type: TokenType): void {
    this.#forgetKey();
    if (this.#inFlow) this.#keys.pop();
    this.#keyAllowed = false;
    this.#add(type, this.#at.line);
    this.#at.pos++;
  }

  #fetchBlockEntry(): void {
    const at = this.#at;
    this.#openBlock('block sequence start', 'a list entry cannot begin here: it needs a line of its own');
    this.#forgetKey();
    this.#keyAllowed = true;
    this.#add('block entry', at.line);
    at.pos++;
  }

  #fetchKey(): void {
    const at = this.#at;
    this.#openBlock('block mapping start', 'a key cannot begin here');
    this.#forgetKey();
    this.#keyAllowed = !this.#inFlow;
    this.#add('key', at.line);
    at.pos++;
  }

  #fetchValue(): void {
    const at = this.#at;
    const key = this.#key;
    if (this.#isPossible(key)) {
      this.#insert(key.number, token('key', key.line));
      this.#rollIndent('block mapping start', key);
      key.possible = false;
      this.#keysByNumber.delete(key.number);
      this.#keyAllowed = false;
    } else {
      this.#openBlock(
        'block mapping start',
        'mapping values are not allowed in this context: a text that holds ": " needs quotes',
      );
      this.#keyAllowed = !this.#inFlow;
    }
    this.#add('value', at.line);
    at.pos++;
  }

  #fetchAnchor(type: 'alias' | 'anchor'): void {
    const at = this.#at;
    this.#saveKey();
    this.#keyAllowed = false;
    const from = ++at.pos;
    while (isWord(at.peek())) at.pos++;
    const name = at.text.slice(from, at.pos);
    const code = at.peek();
    if (!name || !(isSpace(code) || '?:,]}%@`'.includes(String.fromCharCode(code)))) {
      const sign = type === 'alias' ? '*' : '&';
      throw new YamlError(
        at.line,
        `${sign} begins the name of an anchor, of letters and digits; a text that begins with it needs quotes`,
      );
    }
    this.#add(type, at.line, name);
  }

  #fetchTag(): void {
    const at = this.#at;
    this.#saveKey();
    this.#keyAllowed = false;
    const found = /!<([\w;/?:@&=+$,.!~*'()[\]%-]+)>|(!(?:[\w-]*!)?)([\w;/?:@&=+$,.!~*'()[\]%-]*)/y;
    found.lastIndex = at.pos;
    const [all = '', verbatim, handle = '', suffix = ''] = found.exec(at.text) ?? [];
    at.pos += all.length;
    if (!all || !isSpace(at.peek())) throw new YamlError(at.line, 'a text that begins with ! needs quotes');
    if (verbatim !== undefined) this.#add('tag', at.line, '', verbatim);
    else if (all === '!') this.#add('tag', at.line, '', '!');
    else if (!suffix) throw new YamlError(at.line, `the tag ${all} names nothing`);
    else this.#add('tag', at.line, handle, suffix);
  }
}

function cannotStart(character: string): string {
  if (character === '\t') return 'a tab cannot indent; use spaces';
  return `a text cannot begin with ${character}: it needs quotes`;
}
