import { bounds } from '../bounds.ts';
import { messageOf } from '../unknown.ts';
import { YamlError } from './cursor.ts';
import { type Anchor, endsEntry, type Frame, merge, newFrame, type Production, setOwn, valueIn } from './frame.ts';
import { keyOf, type Scalar, type ScalarValue, valueOf } from './resolve.ts';
import { Scanner } from './scanner.ts';
import type { Token, TokenType } from './token.ts';

/** A document of a text: its value, and the line that it begins in, from 0. */
export interface Document {
  readonly line: number;
  readonly value: unknown;
}

/** A key that stands twice in a mapping. */
export interface DuplicateKey {
  /** Of the later one, from 0. */
  readonly line: number;
  readonly path: string;
}

const maxDepth = bounds['object-levels'].most;
const freeAliasNodes = bounds['yaml-alias-values'].most;

/** So many keys that stand twice are told of. */
const maxDuplicates = 20;

/** What a token opens where a node may stand. */
const opens: Partial<Record<TokenType, Production>> = {
  'block sequence start': 'block sequence',
  'block mapping start': 'block mapping',
  'block entry': 'indentless sequence',
  'flow sequence start': 'flow sequence',
  'flow mapping start': 'flow mapping',
};

/** Whether a collection may stand in another one, or in a document. A list in a mapping need not be indented. */
function mayStand(production: Production, within: Production | undefined): boolean {
  if (production === 'indentless sequence') return within === 'block mapping';
  return production.startsWith('flow') || !within?.startsWith('flow');
}

/** Why there is no node where one is expected, by what is there. */
const noNode: Partial<Record<TokenType, string>> = {
  end: 'the text ends where a value is expected',
  value: 'a text that begins with a colon needs quotes within [ ] and { }',
  'flow entry': 'a value is expected before this comma',
};

const nothing: Scalar = { text: '', tag: '', plain: true };

/**
 * Makes values of a text's tokens as kubectl's reader does (go.yaml.in/yaml/v2, parserc.go and decode.go), piece by piece: it calls nothing
 * of its own for what is nested, so that it can pause anywhere and no depth can overflow the stack. What an alias stands for is shared, not
 * copied; no value contains itself.
 */
export class Composer {
  readonly documents: Document[] = [];
  readonly duplicates: DuplicateKey[] = [];
  readonly #length: number;
  readonly #scanner: Scanner;
  readonly #frames: Frame[] = [];
  #anchors = new Map<string, Anchor>();
  #tagHandles = new Map<string, string>();
  /** Whether the next document needs no `---`: it is the first, or it follows `...`. */
  #bare = true;
  /** Whether the last document was an object in braces: as in JSON, another may follow without a sign between them. */
  #braces = false;
  #documentLine = 0;
  #aliasNodes = 0;

  constructor(text: string) {
    this.#length = text.length;
    this.#scanner = new Scanner(text);
  }

  /** Reads on for some nodes; says whether all is read. Throws a YamlError. */
  advance(nodes: number): boolean {
    for (let i = 0; i < nodes; i++) {
      const frame = this.#frames[this.#frames.length - 1];
      if (frame) this.#entry(frame);
      else if (!this.#document()) return true;
    }
    return false;
  }

  #next(): Token {
    return this.#scanner.next();
  }

  #peek(): TokenType {
    return this.#scanner.peek().type;
  }

  // Documents.

  /** Begins a document; says whether there is one. */
  #document(): boolean {
    while (this.#peek() === 'document end') {
      this.#next();
      this.#bare = true;
    }
    this.#tagHandles = new Map();
    let directive = false;
    while (this.#peek() === 'directive') {
      this.#directive(this.#next());
      directive = true;
    }
    const { type, line } = this.#scanner.peek();
    if (type === 'end' && !directive) return false;
    this.#anchors = new Map();
    this.#documentLine = line;
    this.#aliasNodes = 0;
    if (type === 'document start') this.#next();
    else if (directive) throw new YamlError(line, '--- must follow a line that begins with %');
    else if (!this.#bare && !(this.#braces && type === 'flow mapping start'))
      throw new YamlError(line, 'the document has ended here: this is indented less than it, or --- is missing');
    this.#bare = false;
    const after = this.#peek();
    if (after === 'directive' || after === 'document start' || after === 'document end' || after === 'end') {
      // Nothing but comments.
      this.documents.push({ line, value: null });
      return true;
    }
    this.#braces = after === 'flow mapping start';
    this.#node(undefined);
    return true;
  }

  #directive({ line, value: name, suffix }: Token): void {
    if (name === 'YAML') {
      if (!/^1\.\d+$/.test(suffix)) throw new YamlError(line, `YAML ${suffix} is not read: versions 1.1 and 1.2 are`);
    } else if (name === 'TAG') {
      const [handle = '', prefix = ''] = suffix.split(' ');
      this.#tagHandles.set(handle, prefix);
    } else
      throw new YamlError(
        line,
        'a line that begins with % is a directive; within a text it needs to be indented or quoted',
      );
  }

  // Nodes.

  /** Reads a node, or opens the collection that it is; `within` is what it stands in. */
  #node(within: Production | undefined): void {
    let tag = '';
    let anchor: string | undefined;
    if (this.#peek() === 'alias') {
      this.#alias(this.#next());
      return;
    }
    for (let i = 0; i < 2; i++) {
      const type = this.#peek();
      if (type === 'anchor' && anchor === undefined) anchor = this.#next().value;
      else if (type === 'tag' && !tag) tag = this.#tag(this.#next());
    }
    const { type, value, plain, line } = this.#scanner.peek();
    const production = opens[type];
    if (type === 'scalar') {
      this.#next();
      this.#scalar({ text: value, tag, plain }, anchor, line);
    } else if (production && mayStand(production, within)) this.#open(production, anchor, line);
    else if (anchor !== undefined || tag) this.#scalar({ text: '', tag, plain: true }, anchor, line);
    else throw new YamlError(line, noNode[type] ?? `a value is expected here, not the beginning of a ${type}`);
  }

  #tag({ line, value: handle, suffix }: Token): string {
    if (!handle) return suffix.replace(/^tag:yaml\.org,2002:/, '!!');
    const prefix = this.#tagHandles.get(handle) ?? (handle === '!' || handle === '!!' ? handle : undefined);
    if (prefix === undefined) throw new YamlError(line, `no %TAG says what ${handle} is`);
    return (prefix + suffix).replace(/^tag:yaml\.org,2002:/, '!!');
  }

  #open(production: Production, name: string | undefined, line: number): void {
    // The dash of an indentless sequence is its first entry's.
    if (production !== 'indentless sequence' && production !== 'flow pair') this.#next();
    if (this.#frames.length >= maxDepth) throw new YamlError(line, `this is nested more than ${maxDepth} deep`);
    const frame = newFrame(production, line);
    if (name !== undefined) {
      frame.anchor = { value: valueIn(frame), nodes: 0, open: true, scalar: undefined };
      this.#anchors.set(name, frame.anchor);
    }
    this.#frames.push(frame);
  }

  #close(): void {
    const frame = this.#frames.pop();
    if (!frame) throw new Error('no collection is open');
    if (frame.anchor) {
      frame.anchor.open = false;
      frame.anchor.nodes = frame.nodes;
    }
    this.#deliver(valueIn(frame), frame.nodes, undefined, frame.line);
  }

  #alias({ line, value: name }: Token): void {
    const anchor = this.#anchors.get(name);
    if (!anchor) throw new YamlError(line, `there is no anchor ${name} before its alias *${name}`);
    if (anchor.open) throw new YamlError(line, `the anchor ${name} contains itself`);
    this.#aliasNodes += anchor.nodes;
    if (this.#aliasNodes > freeAliasNodes + this.#length) {
      throw new YamlError(
        line,
        `aliases stand for more than ${freeAliasNodes} values here: write out what they stand for`,
      );
    }
    this.#deliver(anchor.value, 1 + anchor.nodes, anchor.scalar, line);
  }

  #scalar(scalar: Scalar, name: string | undefined, line: number): void {
    const awaitsKey = this.#awaitsKey;
    let value: ScalarValue = null;
    // A key is what it is written as; that it could be no value does not matter, unless an alias uses it as one.
    if (!awaitsKey || name !== undefined) value = this.#read(() => valueOf(scalar), line);
    if (name !== undefined) this.#anchors.set(name, { value, nodes: 1, open: false, scalar });
    this.#deliver(value, 1, scalar, line);
  }

  #read<T>(read: () => T, line: number): T {
    try {
      return read();
    } catch (error) {
      throw new YamlError(line, messageOf(error));
    }
  }

  get #awaitsKey(): boolean {
    const frame = this.#frames[this.#frames.length - 1];
    return frame !== undefined && !frame.sequence && !frame.hasKey;
  }

  /** Hands a whole node to the collection that it stands in. */
  #deliver(value: unknown, nodes: number, scalar: Scalar | undefined, line: number): void {
    const frame = this.#frames[this.#frames.length - 1];
    if (!frame) {
      this.documents.push({ line: this.#documentLine, value });
      return;
    }
    frame.nodes += nodes;
    if (frame.sequence) frame.sequence.push(value);
    else if (!frame.hasKey) this.#key(frame, scalar, line);
    else {
      frame.hasKey = false;
      if (frame.key === undefined) this.#read(() => merge(frame, value), line);
      else setOwn(frame.mapping, frame.key, value);
    }
  }

  #key(frame: Frame, scalar: Scalar | undefined, line: number): void {
    frame.hasKey = true;
    if (!scalar)
      throw new YamlError(line, 'a key must be a text; quotes are needed around { } and [ ], as around a template');
    if (scalar.text === '<<' && (scalar.tag === '!!merge' || scalar.tag === '!' || (scalar.plain && !scalar.tag))) {
      frame.key = undefined;
      return;
    }
    const key = this.#read(() => keyOf(scalar), line);
    frame.key = key;
    if (Object.hasOwn(frame.mapping, key) && !frame.merged?.has(key) && this.duplicates.length < maxDuplicates) {
      this.duplicates.push({ line, path: this.#path() });
    }
    frame.merged?.delete(key);
  }

  /** Where the present key stands. */
  #path(): string {
    let path = '';
    for (const { sequence, key = '<<', hasKey } of this.#frames) {
      if (sequence) path += `[${sequence.length}]`;
      else if (hasKey) path += path ? `.${key}` : key;
    }
    return path;
  }

  // Collections.

  /** Reads on in the innermost collection: an entry of a sequence, a key or a value, or its end. */
  #entry(frame: Frame): void {
    switch (frame.production) {
      case 'block sequence':
      case 'indentless sequence':
        this.#blockSequence(frame);
        break;
      case 'block mapping':
        this.#blockMapping(frame);
        break;
      case 'flow sequence':
        this.#flowSequence(frame);
        break;
      case 'flow mapping':
        this.#flowMapping(frame);
        break;
      case 'flow pair':
        this.#flowPair(frame);
        break;
    }
  }

  /** The node after the sign that was taken, `-`, `?` or `:`; null where there is none. */
  #after(line: number, production: Production): void {
    if (endsEntry[production].has(this.#peek())) this.#scalar(nothing, undefined, line);
    else this.#node(production);
  }

  #blockSequence({ production }: Frame): void {
    if (this.#peek() === 'block entry') this.#after(this.#next().line, production);
    else if (production === 'indentless sequence') this.#close();
    else this.#closeBlock('the list has an entry that begins with -');
  }

  #closeBlock(expected: string): void {
    const { type, line } = this.#scanner.peek();
    if (type !== 'block end') throw new YamlError(line, `${expected} here, or is indented otherwise; found a ${type}`);
    this.#next();
    this.#close();
  }

  #blockMapping({ production, hasKey }: Frame): void {
    const { type, line } = this.#scanner.peek();
    if (type === (hasKey ? 'value' : 'key')) this.#after(this.#next().line, production);
    else if (hasKey) this.#scalar(nothing, undefined, line);
    else this.#closeBlock('the mapping has a key');
  }

  /** Takes the comma between entries. */
  #comma(frame: Frame, end: TokenType, sign: string): void {
    const { type, line } = this.#scanner.peek();
    if (frame.begun && type !== end) {
      if (type !== 'flow entry') {
        throw new YamlError(line, `a comma or ${sign} is missing in what opens in line ${frame.line + 1}`);
      }
      this.#next();
    }
    frame.begun = true;
  }

  #flowSequence(frame: Frame): void {
    this.#comma(frame, 'flow sequence end', ']');
    const { type, line } = this.#scanner.peek();
    if (type === 'flow sequence end') {
      this.#next();
      this.#close();
    } else if (type === 'key') this.#open('flow pair', undefined, line);
    else this.#node(frame.production);
  }

  /** `[a: b]` is a list of one mapping. */
  #flowPair(frame: Frame): void {
    const { type, line } = this.#scanner.peek();
    if (frame.hasKey && type !== 'value') this.#scalar(nothing, undefined, line);
    else if (frame.begun && !frame.hasKey) this.#close();
    else this.#after(this.#next().line, frame.production);
    frame.begun = true;
  }

  #flowMapping(frame: Frame): void {
    const { production, hasKey } = frame;
    if (!hasKey) this.#comma(frame, 'flow mapping end', '}');
    const { type, line } = this.#scanner.peek();
    if (type === (hasKey ? 'value' : 'key')) this.#after(this.#next().line, production);
    else if (hasKey) this.#scalar(nothing, undefined, line);
    else if (type === 'flow mapping end') {
      this.#next();
      this.#close();
    } else {
      this.#node(production);
      // A key without a colon has no value.
      if (frame.hasKey) this.#scalar(nothing, undefined, line);
    }
  }
}
