import type { Report } from './report.ts';
import { Fault, faultOf } from './syntax.ts';

/** Reports a regular expression that RE2, and so Envoy, does not take. Longer ones than 1024 characters are refused as istiod refuses them. */
export function checkRegex(regex: string, path: string, report: Report): void {
  if (regex === '') {
    report.error(path, 'the regular expression is empty');
    return;
  }
  if (regex.length > 1024) {
    report.error(path, 'the regular expression is longer than 1024 characters');
    return;
  }
  const fault = regexFault(regex);
  if (fault) report.error(path, `${fault}: not RE2 syntax (https://github.com/google/re2/wiki/Syntax)`);
}

/**
 * What is wrong with a regular expression in RE2's syntax; undefined when nothing is. Takes microseconds, where re2js, which compiles what it
 * parses, takes up to 100 ms; a test compares both with RE2 itself.
 */
export const regexFault = (regex: string): string | undefined => faultOf(() => new Parser(regex).alternatives(0));

/** RE2 refuses counted repetitions above this, also when they are nested and multiply. */
const maxRepeat = 1000;
/** RE2 refuses deeper nesting. */
const maxDepth = 1000;

const posixClasses = new Set(
  'alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit'.split(' '),
);

class Parser {
  readonly #text: string;
  readonly #names = new Set<string>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Alternatives up to the end of the group (or of the text, at depth 0). Gives the largest product of nested repetitions. */
  alternatives(depth: number): number {
    if (depth > maxDepth) throw new Fault('groups are nested too deeply');
    let repeats = 1;
    /** The repetitions of what an operator would repeat; undefined where there is nothing. */
    let last: number | undefined;
    /** Whether an operator has just been read: two need something between them, if only flags. */
    let repeated = false;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined) {
        if (depth) throw new Fault('missing )');
        return repeats;
      }
      if (c === ')') {
        if (!depth) throw new Fault('unexpected )');
        return repeats;
      }
      const times = this.#repetition();
      if (times !== undefined) {
        if (last === undefined || repeated) throw new Fault(`missing argument to repetition operator ${c}`);
        last *= times;
        if (last > maxRepeat) throw new Fault(`nested repetitions above ${maxRepeat}`);
        repeats = Math.max(repeats, last);
        repeated = true;
        if (this.#text[this.#at] === '?') this.#at++;
        continue;
      }
      repeated = false;
      const found = this.#atom(c, depth);
      if (found === 'flags') continue;
      last = found;
      if (last !== undefined) repeats = Math.max(repeats, last);
    }
  }

  /** The count of a repetition operator; undefined where there is none. */
  #repetition(): number | undefined {
    const c = this.#text[this.#at];
    if (c === '*' || c === '+' || c === '?') {
      this.#at++;
      return 1;
    }
    if (c !== '{') return undefined;
    const match = /^\{(0|[1-9]\d*)(,(0|[1-9]\d*|))?\}/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (!match) return undefined;
    const least = Number(match[1]);
    const most = match[3] ? Number(match[3]) : least;
    if (least > maxRepeat || most > maxRepeat || most < least) throw new Fault(`invalid repeat count ${match[0]}`);
    this.#at += match[0].length;
    return Math.max(most, 1);
  }

  /** One thing that can be repeated: gives its repetitions; undefined after what cannot be repeated. */
  #atom(c: string, depth: number): number | 'flags' | undefined {
    if (c === '(') return this.#group(depth);
    if (c === '[') {
      this.#class();
      return 1;
    }
    if (c === '\\') return this.#escape();
    this.#at++;
    return c === '|' ? undefined : 1;
  }

  #group(depth: number): number | 'flags' | undefined {
    this.#at++;
    if (this.#text[this.#at] === '?') {
      const named = /^\?P?<([^>]*)>/.exec(this.#text.slice(this.#at));
      const flags = /^\?([imsU]*)(-[imsU]+)?([:)])/.exec(this.#text.slice(this.#at));
      if (named && !/^\?<[=!]/.test(named[0])) {
        const name = named[1] ?? '';
        if (!/^[A-Za-z0-9_]+$/.test(name)) throw new Fault(`invalid group name "${name}"`);
        if (this.#names.has(name)) throw new Fault(`two groups are named "${name}"`);
        this.#names.add(name);
        this.#at += named[0].length;
      } else if (flags) {
        this.#at += flags[0].length;
        if (flags[3] === ')') return 'flags';
      } else {
        throw new Fault(`unsupported group (${this.#text.slice(this.#at, this.#at + 3)}`);
      }
    }
    const repeats = this.alternatives(depth + 1);
    this.#at++;
    return repeats;
  }

  /** An escape outside a class; `\Q…\E` counts as one thing, or as nothing when it is empty. */
  #escape(): number | undefined {
    const next = this.#text[this.#at + 1];
    if (next === 'Q') {
      const start = this.#at + 2;
      const end = this.#text.indexOf('\\E', start);
      this.#at = end < 0 ? this.#text.length : end + 2;
      return end === start ? undefined : 1;
    }
    if (next !== undefined && 'AbBz'.includes(next)) this.#at += 2;
    else this.#characterEscape();
    return 1;
  }

  /** An escape for a character or a class of characters, in a class or outside. Gives the code point, or undefined for a class. */
  #characterEscape(): number | undefined {
    const rest = this.#text.slice(this.#at, this.#at + 64);
    const next = rest[1];
    if (next === undefined) throw new Fault('trailing \\');
    const match =
      /^\\[pP](?:\{\^?([A-Za-z_]+)\}|([A-Z]))/.exec(rest) ??
      /^\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/.exec(rest) ??
      /^\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
    if (match) {
      this.#at += match[0].length;
      const value = match[1] ?? match[2] ?? '';
      if (next === 'x') {
        const code = Number.parseInt(value, 16);
        if (code > 0x10ffff) throw new Fault(`invalid escape ${match[0]}`);
        return code;
      }
      if (next !== 'p' && next !== 'P') return Number.parseInt(value, 8);
      if (!isUnicodeClass(value)) throw new Fault(`unknown character class ${match[0]}`);
      return undefined;
    }
    this.#at += 2;
    if ('dDsSwW'.includes(next)) return undefined;
    const control = 'afnrtv'.indexOf(next);
    if (control >= 0) return [7, 12, 10, 13, 9, 11][control];
    const code = next.charCodeAt(0);
    if (code >= 128 || /[A-Za-z0-9]/.test(next)) throw new Fault(`invalid escape \\${next}`);
    return code;
  }

  #class(): void {
    const start = this.#at++;
    if (this.#text[this.#at] === '^') this.#at++;
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      if (this.#at >= this.#text.length) throw new Fault(`missing ] after ${this.#text.slice(start, start + 20)}`);
      const end = this.#text.startsWith('[:', this.#at) ? this.#text.indexOf(':]', this.#at + 2) : -1;
      if (end >= 0) {
        const name = this.#text.slice(this.#at + 2, end);
        if (!posixClasses.has(name.replace(/^\^/, ''))) throw new Fault(`unknown character class [:${name}:]`);
        this.#at = end + 2;
        continue;
      }
      const from = this.#classCharacter();
      if (this.#text[this.#at] !== '-' || (this.#text[this.#at + 1] ?? ']') === ']') continue;
      if (from === undefined) continue;
      this.#at++;
      const to = this.#classCharacter();
      if (to === undefined || to < from) throw new Fault('invalid character class range');
    }
    this.#at++;
  }

  #classCharacter(): number | undefined {
    if (this.#text[this.#at] === '\\') return this.#characterEscape();
    const code = this.#text.codePointAt(this.#at) ?? 0;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }
}

function isUnicodeClass(name: string): boolean {
  if (name === 'Any') return true;
  const property = /^[A-Z][a-z]?$/.test(name) ? `gc=${name}` : `sc=${name}`;
  try {
    new RegExp(`\\p{${property}}`, 'u');
    return true;
  } catch {
    return false;
  }
}
