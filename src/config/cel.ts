import { regexFault } from './regex.ts';
import type { Report } from './report.ts';
import { Fault, faultOf } from './syntax.ts';

/** Reports a condition that Envoy's Common Expression Language does not take. */
export function checkCondition(expression: string | undefined, path: string, report: Report): void {
  if (!expression?.trim()) {
    report.error(path, 'an expression is needed');
    return;
  }
  const fault = celFault(expression);
  if (fault) report.error(path, `${fault}: not a CEL expression (https://github.com/google/cel-spec)`);
}

/**
 * What is wrong with an expression; undefined when nothing is. No package for CEL does as well: @bufbuild/cel takes escapes that Envoy refuses, and
 * long sums in square time; @marcbachmann/cel-js refuses `.5` and names that begin with a dot.
 */
export const celFault = (expression: string): string | undefined =>
  faultOf(() => new Parser(tokens(expression)).whole());

type Token = { readonly kind: 'name' | 'literal' | 'sign' | 'end'; readonly text: string };

const escapes = String.raw`\\(?:[abfnrtv\\"'${'`'}?]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})`;
const quoted = ["'''", '"""', "'", '"'].flatMap(quote => {
  const inner = quote.length > 1 ? String.raw`[^\\]` : String.raw`[^\\\r\n${quote}]`;
  return [`[bB]?${quote}(?:${escapes}|${inner})*?${quote}`, `[bB]?[rR][bB]?${quote}[^]*?${quote}`];
});
const number = String.raw`0x[0-9a-fA-F]+u?|\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?`;
const sign = String.raw`&&|\|\||<=|>=|==|!=|[-+*/%!<>?:.,()[\]{}]`;
const lexer = new RegExp(
  String.raw`(?:\s|//[^\n]*)+|(?<literal>${quoted.join('|')}|${number})|(?<name>[A-Za-z_]\w*)|(?<sign>${sign})`,
  'y',
);

function tokens(text: string): readonly Token[] {
  const found: Token[] = [];
  lexer.lastIndex = 0;
  while (lexer.lastIndex < text.length) {
    const at = lexer.lastIndex;
    const groups = lexer.exec(text)?.groups;
    if (!groups) throw new Fault(`unexpected ${JSON.stringify(text.slice(at, at + 10))}`);
    for (const kind of ['literal', 'name', 'sign'] as const) {
      const part = groups[kind];
      if (part !== undefined) found.push({ kind, text: part });
    }
  }
  return [...found, { kind: 'end', text: 'the end' }];
}

/** What a string literal says, as far as regular expressions need it. */
function contentOf(literal: string): string {
  const [, prefix = '', , inner = ''] = /^([rRbB]*)('''|"""|'|")(.*)\2$/s.exec(literal) ?? [];
  return /r/i.test(prefix) ? inner : inner.replace(/\\(.)/gs, '$1');
}

const reserved = new Set(
  'as break const continue else for function if import let loop package namespace return var void while in'.split(' '),
);
const literals = new Set(['true', 'false', 'null']);

const calendar = 'FullYear Month Date DayOfMonth DayOfWeek DayOfYear Hours Minutes Seconds Milliseconds';

/** The functions that Envoy knows, with how many arguments they take; of a value `.name(…)`, and by themselves. */
const methods: Readonly<Record<string, readonly number[]>> = {
  size: [0],
  contains: [1],
  startsWith: [1],
  endsWith: [1],
  matches: [1],
  ...Object.fromEntries(calendar.split(' ').map(part => [`get${part}`, [0, 1]])),
};
const functions: Readonly<Record<string, readonly number[]>> = {
  has: [1],
  matches: [2],
  ...Object.fromEntries('size int uint double bool bytes timestamp duration type dyn'.split(' ').map(f => [f, [1]])),
};

/** Operators from those that bind least to those that bind most. */
const operators = [['||'], ['&&'], ['<', '<=', '>', '>=', '==', '!=', 'in'], ['+', '-'], ['*', '/', '%']] as const;

/** Deeper nesting than this is refused by Envoy's parser as well. */
const maxDepth = 200;

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(list: readonly Token[]) {
    this.#tokens = list;
  }

  whole(): void {
    this.#expression();
    if (this.#next.kind !== 'end') throw this.#unexpected();
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #unexpected(): Fault {
    return new Fault(`unexpected ${this.#next.text}`);
  }

  #take(text: string): boolean {
    const { kind } = this.#next;
    if (this.#next.text !== text || (kind !== 'sign' && text !== 'in')) return false;
    this.#at++;
    return true;
  }

  #need(text: string): void {
    if (!this.#take(text)) throw new Fault(`expected ${text}, found ${this.#next.text}`);
  }

  #expression(): void {
    if (++this.#depth > maxDepth) throw new Fault('nested too deeply');
    this.#binary(0);
    if (this.#take('?')) {
      this.#binary(0);
      this.#need(':');
      this.#expression();
    }
    this.#depth--;
  }

  #binary(level: number): void {
    const known = operators[level];
    if (!known) {
      this.#unary();
      return;
    }
    do this.#binary(level + 1);
    while (known.some(operator => this.#take(operator)));
  }

  #unary(): void {
    if (this.#take('!')) while (this.#take('!'));
    else if (this.#take('-')) while (this.#take('-'));
    this.#primary();
    for (;;) {
      if (this.#take('.')) {
        const { kind, text } = this.#next;
        if (kind !== 'name') throw this.#unexpected();
        this.#at++;
        if (this.#take('(')) this.#call(text, methods);
      } else if (this.#take('[')) {
        this.#expression();
        this.#need(']');
      } else return;
    }
  }

  #primary(): void {
    const { kind, text } = this.#next;
    if (kind === 'literal') this.#at++;
    else if (this.#take('(')) {
      this.#expression();
      this.#need(')');
    } else if (this.#take('[')) this.#list(']');
    else if (this.#take('{')) this.#map();
    else {
      this.#take('.');
      const name = this.#next;
      if (name.kind !== 'name' || reserved.has(name.text)) throw this.#unexpected();
      this.#at++;
      if (!literals.has(text) && this.#take('(')) this.#call(text, functions);
    }
  }

  #call(name: string, known: Readonly<Record<string, readonly number[]>>): void {
    const from = this.#at;
    const count = this.#list(')');
    if (!Object.hasOwn(known, name)) throw new Fault(`Envoy has no function ${name}`);
    if (!known[name]?.includes(count)) throw new Fault(`${name} does not take ${count} arguments`);
    const given = this.#tokens.slice(from, this.#at - 1);
    const last = given.at(-1);
    if (name === 'has' && (last?.kind !== 'name' || given.at(-2)?.text !== '.')) {
      throw new Fault('has() takes a field, such as request.path');
    }
    const fault = name === 'matches' && last?.kind === 'literal' ? regexFault(contentOf(last.text)) : undefined;
    if (fault) throw new Fault(fault);
  }

  /** Expressions up to the end; gives how many. */
  #list(end: string): number {
    let count = 0;
    while (!this.#take(end)) {
      this.#expression();
      count++;
      if (!this.#take(',')) {
        this.#need(end);
        return count;
      }
    }
    return count;
  }

  #map(): void {
    while (!this.#take('}')) {
      this.#expression();
      this.#need(':');
      this.#expression();
      if (!this.#take(',')) {
        this.#need('}');
        return;
      }
    }
  }
}
