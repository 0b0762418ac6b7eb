/**
 * Matches RE2's regular expressions in linear time, as RE2 does: all ways through the expression are followed at once. JavaScript's own
 * engine tries one after the other, and an expression like `(a+)+$` in one object would stop everything.
 */

type Assertion = 'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'word' | 'noWord';

type Instruction =
  | { readonly op: 'character'; readonly test: (character: string) => boolean }
  | { readonly op: 'assert'; readonly what: Assertion }
  /** Goes on at each of the places. */
  | { readonly op: 'go'; readonly to: number[] }
  | { readonly op: 'match' };

interface Flags {
  /** `i`: without regard to case. */
  readonly fold: boolean;
  /** `m`: `^` and `$` are at lines. */
  readonly lines: boolean;
  /** `s`: `.` is a line feed, too. */
  readonly dot: boolean;
}

/** Writes the part of an expression that has been read. */
type Emit = () => void;

const posix: Readonly<Record<string, string>> = {
  ...{ alnum: '0-9A-Za-z', alpha: 'A-Za-z', ascii: '\\0-\\x7f', blank: '\\t ', cntrl: '\\0-\\x1f\\x7f', digit: '0-9' },
  ...{ graph: '!-~', lower: 'a-z', print: ' -~', punct: '!-\\/:-@[-`{-~', space: '\\t-\\r ', upper: 'A-Z' },
  ...{ word: '\\w', xdigit: '0-9A-Fa-f' },
};

const negatedPosix = (name: string): string => {
  const test = new RegExp(`[${posix[name]}]`);
  const rest = Array.from({ length: 128 }, (_, code) => code).filter(code => !test.test(String.fromCharCode(code)));
  return `${rest.map(code => `\\u{${code.toString(16)}}`).join('')}\\u{80}-\\u{10ffff}`;
};

const hex = (character: string): string => (character.codePointAt(0) ?? 0).toString(16);

const literal = (character: string): string => `\\u{${hex(character)}}`;

class Compiler {
  readonly program: Instruction[] = [];
  readonly #text: string;
  #at = 0;
  #flags: Flags = { fold: false, lines: false, dot: false };

  constructor(text: string) {
    this.#text = text.replaceAll(/\\Q(.*?)(?:\\E|$)|\\./gsu, (escape, quoted?: string) =>
      quoted === undefined ? escape : [...quoted].map(character => `\\x{${hex(character)}}`).join(''),
    );
  }

  compile(): readonly Instruction[] {
    this.#alternatives()();
    this.program.push({ op: 'match' });
    return this.program;
  }

  /** Up to the end of the group. Flags that are set within are not set behind it. */
  #alternatives(): Emit {
    const { program } = this;
    const outer = this.#flags;
    const branches: Emit[][] = [[]];
    while (this.#at < this.#text.length && this.#text[this.#at] !== ')') {
      if (this.#text[this.#at] === '|') {
        this.#at++;
        branches.push([]);
      } else branches.at(-1)?.push(this.#repeated());
    }
    this.#flags = outer;
    return () => {
      const split = { op: 'go' as const, to: [] as number[] };
      const joins: { op: 'go'; to: number[] }[] = [];
      if (branches.length > 1) program.push(split);
      for (const branch of branches) {
        split.to.push(program.length);
        for (const emit of branch) emit();
        if (branches.length === 1) continue;
        const join = { op: 'go' as const, to: [] as number[] };
        joins.push(join);
        program.push(join);
      }
      for (const join of joins) join.to.push(program.length);
    };
  }

  #repeated(): Emit {
    let emit = this.#atom();
    for (;;) {
      const [all, sign, least, comma, most] =
        /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.#text.slice(this.#at)) ?? [];
      if (all === undefined) return emit;
      this.#at += all.length;
      const [from, to] = {
        '*': [0, undefined],
        '+': [1, undefined],
        '?': [0, 1],
      }[sign ?? ''] ?? [Number(least), comma ? (most ? Number(most) : undefined) : Number(least)];
      emit = this.#times(emit, from ?? 0, to);
    }
  }

  #times(emit: Emit, from: number, to: number | undefined): Emit {
    const { program } = this;
    return () => {
      for (let i = 0; i < from; i++) emit();
      const ends: { op: 'go'; to: number[] }[] = [];
      for (let i = from; i < (to ?? from + 1); i++) {
        const here = program.length;
        const choice = { op: 'go' as const, to: [here + 1] };
        program.push(choice);
        ends.push(choice);
        emit();
        if (to === undefined) program.push({ op: 'go', to: [here] });
      }
      for (const end of ends) end.to.push(program.length);
    };
  }

  #atom(): Emit {
    const rest = this.#text.slice(this.#at);
    const [character = ''] = rest;
    if (character === '(') return this.#group(rest);
    if (character === '[') return this.#class();
    if (character === '\\') return this.#escape(rest);
    this.#at += character.length;
    if (character === '^') return this.#assert(this.#flags.lines ? 'lineStart' : 'textStart');
    if (character === '$') return this.#assert(this.#flags.lines ? 'lineEnd' : 'textEnd');
    if (character === '.') return this.#characters(this.#flags.dot ? '\\s\\S' : '^\\n');
    return this.#characters(literal(character));
  }

  #group(rest: string): Emit {
    const [named] = /^\(\?P?<\w+>/.exec(rest) ?? [];
    const [flagged, on = '', off = '', end] = /^\(\?(\w*)(?:-(\w+))?([:)])/.exec(rest) ?? [];
    const outer = this.#flags;
    this.#at += (named ?? flagged ?? '(').length;
    if (flagged) {
      const has = (flag: string, now: boolean): boolean => (on.includes(flag) || now) && !off.includes(flag);
      const { fold, lines, dot } = outer;
      this.#flags = { fold: has('i', fold), lines: has('m', lines), dot: has('s', dot) };
      if (end === ')') return () => {};
    }
    const emit = this.#alternatives();
    this.#at++;
    this.#flags = outer;
    return emit;
  }

  #escape(rest: string): Emit {
    const assertion = ({ A: 'textStart', z: 'textEnd', b: 'word', B: 'noWord' } as const)[rest[1] ?? ''];
    if (!assertion) return this.#characters(this.#classEscape());
    this.#at += 2;
    return this.#assert(assertion);
  }

  /** An escape for a character or a class of characters, as a part of a class of JavaScript. */
  #classEscape(): string {
    const rest = this.#text.slice(this.#at);
    const [unicode, sign, negated, long, short] = /^\\([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(rest) ?? [];
    if (unicode !== undefined) {
      this.#at += unicode.length;
      const name = long ?? short ?? '';
      const property = name === 'Any' ? name : /^[A-Z][a-z]?$/.test(name) ? `gc=${name}` : `sc=${name}`;
      return `\\${(sign === 'P') === Boolean(negated) ? 'p' : 'P'}{${property}}`;
    }
    const [code, long16, short16, octal] =
      /^\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))/.exec(rest) ?? [];
    if (code !== undefined) {
      this.#at += code.length;
      return `\\u{${octal ? Number.parseInt(octal, 8).toString(16) : (long16 ?? short16)}}`;
    }
    const next = String.fromCodePoint(rest.codePointAt(1) ?? 0);
    this.#at += 1 + next.length;
    if ('dDwW'.includes(next)) return `\\${next}`;
    if (next === 's') return '\\t\\n\\f\\r ';
    if (next === 'S') return '\\0-\\x08\\x0b\\x0e-\\x1f!-\\u{10ffff}';
    return next === 'a' ? '\\x07' : 'fnrtv'.includes(next) ? `\\${next}` : literal(next);
  }

  #class(): Emit {
    this.#at++;
    const negated = this.#text[this.#at] === '^';
    if (negated) this.#at++;
    let members = '';
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      const from = this.#member();
      members += from.members;
      if (!from.single || this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') continue;
      this.#at++;
      members += `-${this.#member().members}`;
    }
    this.#at++;
    return this.#characters(negated ? `^${members}` : members);
  }

  /** A member of a class; a single character can begin a range. */
  #member(): { readonly members: string; readonly single: boolean } {
    const rest = this.#text.slice(this.#at);
    const [named, not, name = ''] = /^\[:(\^?)(\w+):\]/.exec(rest) ?? [];
    if (named) {
      this.#at += named.length;
      return { members: not ? negatedPosix(name) : (posix[name] ?? ''), single: false };
    }
    if (rest.startsWith('\\')) return { members: this.#classEscape(), single: !/^\\[pPdDsSwW]/.test(rest) };
    const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    this.#at += character.length;
    return { members: literal(character), single: true };
  }

  #characters(members: string): Emit {
    const expression = new RegExp(`[${members}]`, this.#flags.fold ? 'iu' : 'u');
    const instruction: Instruction = { op: 'character', test: character => expression.test(character) };
    return () => {
      this.program.push(instruction);
    };
  }

  #assert(what: Assertion): Emit {
    return () => {
      this.program.push({ op: 'assert', what });
    };
  }
}

const isWord = (character: string | undefined): boolean => character !== undefined && /\w/.test(character);

function holds(what: Assertion, before: string | undefined, after: string | undefined): boolean {
  switch (what) {
    case 'textStart':
      return before === undefined;
    case 'textEnd':
      return after === undefined;
    case 'lineStart':
      return before === undefined || before === '\n';
    case 'lineEnd':
      return after === undefined || after === '\n';
    case 'word':
      return isWord(before) !== isWord(after);
    case 'noWord':
      return isWord(before) === isWord(after);
  }
}

/** Whether an expression of RE2 that is right (see `regexFault`) matches some part of a text. */
export function re2(expression: string): (text: string) => boolean {
  const program = new Compiler(expression).compile();
  return text => {
    const characters = [...text];
    let threads = new Set<number>();
    for (let i = 0; i <= characters.length; i++) {
      // A match can begin everywhere.
      const open = [...threads, 0];
      const here = new Set<number>();
      const next = new Set<number>();
      for (let pc = open.pop(); pc !== undefined; pc = open.pop()) {
        if (here.has(pc)) continue;
        here.add(pc);
        const instruction = program[pc];
        switch (instruction?.op) {
          case 'match':
            return true;
          case 'go':
            open.push(...instruction.to);
            break;
          case 'assert':
            if (holds(instruction.what, characters[i - 1], characters[i])) open.push(pc + 1);
            break;
          case 'character': {
            const character = characters[i];
            if (character !== undefined && instruction.test(character)) next.add(pc + 1);
            break;
          }
        }
      }
      threads = next;
    }
    return false;
  };
}
