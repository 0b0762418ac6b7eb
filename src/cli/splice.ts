/** Changes of an object in the text that its author wrote: what is the same keeps its letters, spaces and comments. */

import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  Scalar,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { isList, isObject, type Json, type JsonObject, own } from '../unknown.ts';

/** How the text is laid out, as far as that is alike in all of it. */
export interface Layout {
  /** Columns by which a block is deeper than what it is in. */
  readonly indent: number;
  /** Whether a list in a map is. */
  readonly indentSeq: boolean;
  /** Whether the text is JSON, in lines or without any space. */
  readonly json: 'spread' | 'compact' | undefined;
}

/** A piece of the text, and what takes its place. */
interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

type Named = JsonObject & { readonly name: string };

/** An item of a map or a list: where it is, and what is there. */
interface Item {
  readonly from: number;
  readonly to: number;
}

/** Thrown where a text is written in a way that is not known here. */
class Unknown extends Error {}

const unknown = (): never => {
  throw new Unknown();
};

/** Whether it is `<<: *base`. */
const isMerge = ({ key }: Pair): boolean => isScalar(key) && typeof key.value === 'symbol';

const keyOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key);

/** Whether the items of a list can be told apart by their names, as containers, volumes and variables can. */
function isNamed(list: readonly Json[]): list is readonly Named[] {
  const names = list.map(item => (isObject(item) ? item['name'] : undefined));
  return names.every(name => typeof name === 'string') && new Set(names).size === names.length;
}

/** As kubectl reads YAML: `yes` is a boolean and is quoted where a text is meant. */
export const kubectls = { version: '1.1', schema: 'yaml-1.1' } as const;
const inBrackets = { lineWidth: 0, collectionStyle: 'flow', flowCollectionPadding: false } as const;

/** A text with all these edits; of two at one place the first stands first. */
function applied(text: string, edits: readonly Edit[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const { from, to, text: piece } of edits.toSorted((a, b) => a.from - b.from)) {
    pieces.push(text.slice(at, Math.max(at, from)), piece);
    at = Math.max(at, to);
  }
  return pieces.join('') + text.slice(at);
}

/** The most of these numbers that can stay as they stand, each higher than the one before. */
function longestRise(numbers: readonly number[]): readonly number[] {
  const best: (readonly number[])[] = [];
  for (const [i, number] of numbers.entries()) {
    const before = best.slice(0, i).filter(rise => (rise.at(-1) ?? -1) < number);
    const longest = before.reduce((a, b) => (b.length > a.length ? b : a), [] as readonly number[]);
    best.push([...longest, number]);
  }
  return best.reduce((a, b) => (b.length > a.length ? b : a), []);
}

class Splicer {
  readonly #text: string;
  readonly #document: Document.Parsed;
  readonly #layout: Layout;
  readonly #edits: Edit[] = [];

  constructor(text: string, document: Document.Parsed, layout: Layout) {
    this.#text = text;
    this.#document = document;
    this.#layout = layout;
  }

  result(): string {
    return applied(this.#text, this.#edits);
  }

  /** Changes a map; false where nothing of it stays. */
  map(map: YAMLMap, before: JsonObject, after: JsonObject): boolean {
    const written = new Set(map.items.map(keyOf));
    const isSame = (key: string): boolean => written.has(key) || isDeepStrictEqual(own(before, key), own(after, key));
    // A map that is merged into this one stays where nothing that it brings is to be another; a field that is null is none already.
    const brought = new Map(map.items.filter(isMerge).map(pair => [pair, Object.keys(this.#merged(pair))]));
    const stays = (pair: Pair): boolean =>
      brought.get(pair)?.every(isSame) ?? (own(after, keyOf(pair)) !== undefined || own(before, keyOf(pair)) === null);
    if (!map.items.some(stays)) return false;
    for (const pair of map.items) {
      const [had, has] = [own(before, keyOf(pair)), own(after, keyOf(pair))];
      if (has !== undefined && !isDeepStrictEqual(had, has)) this.#value(pair, had, has);
    }
    const known = new Set([...written, ...map.items.filter(stays).flatMap(pair => brought.get(pair) ?? [])]);
    const added = Object.entries(after).filter(([key, value]) => value !== undefined && !known.has(key));
    const items = map.items.map(pair => this.#itemOf(pair));
    const kept = map.items.map(stays);
    const column = this.#column(items[0]?.from ?? unknown());
    const texts = added.map(([key, value]) =>
      map.flow ? this.#inlinePair(key, value as Json, column) : this.#block({ [key]: value as Json }, column),
    );
    const last = kept.lastIndexOf(true);
    this.#change(
      map,
      items,
      kept,
      items.map((_, i) => (i === last ? texts : [])),
    );
    return true;
  }

  /** What `<<: *base` brings. */
  #merged({ value }: Pair): JsonObject {
    const merged = isNode(value) ? value.toJS(this.#document) : undefined;
    return isObject(merged) ? merged : isList(merged) ? Object.assign({}, ...merged) : unknown();
  }

  #value(pair: Pair, before: Json | undefined, after: Json): void {
    const node = pair.value as Node | null;
    if (isMap(node) && isObject(before) && isObject(after) && this.map(node, before, after)) return;
    if (isSeq(node) && isList(before) && isList(after) && this.#list(node, before, after)) return;
    const to = this.#endOf(pair);
    const column = this.#column(startOf(pair.key));
    if (isScalar(node) && node.source && !isObjectOrList(after)) {
      this.#edits.push({ from: startOf(node), to, text: this.#inline(after, column, node) });
      return;
    }
    const isInline = !isObjectOrList(after) || this.#isFlow(node) || this.#layout.json !== undefined;
    const deeper = isList(after) && !this.#layout.indentSeq ? 0 : this.#layout.indent;
    const space = this.#layout.json === 'compact' ? '' : ' ';
    const text = isInline ? space + this.#inline(after, column) : `\n${this.#block(after, column + deeper)}`;
    this.#edits.push({ from: this.#behindColon(pair), to, text });
  }

  /** Changes a list by the names of its items, or by their places; false where it cannot. */
  #list(seq: YAMLSeq, before: readonly Json[], after: readonly Json[]): boolean {
    if (seq.items.length !== before.length) return false;
    if (!isNamed(before) || !isNamed(after)) return this.#each(seq, before, after);
    const nodes = seq.items as Node[];
    const places = after.map(({ name }) => before.findIndex(item => item.name === name));
    const staying = new Set(longestRise(places.filter(place => place >= 0)));
    if (staying.size === 0) return false;
    const items = nodes.map(node => ({
      from: seq.flow ? startOf(node) : this.#dashOf(node),
      to: this.#endOfNode(node),
    }));
    const column = this.#column(items[0]?.from ?? unknown());
    const first: string[] = [];
    // What is added behind each item that stays.
    const added: string[][] = before.map(() => []);
    let texts = first;
    for (const [i, item] of after.entries()) {
      const place = places[i] ?? -1;
      const [had, node] = [before[place], nodes[place]];
      const changes = this.#edits.length;
      if (had !== undefined && !isDeepStrictEqual(had, item) && !(isMap(node) && this.map(node, had, item))) unknown();
      if (staying.has(place)) texts = added[place] ?? unknown();
      else if (place >= 0) texts.push(this.#taken(items[place] ?? unknown(), this.#edits.splice(changes), !!seq.flow));
      else texts.push(seq.flow ? this.#inline(item, column) : this.#block([item], column));
    }
    const kept = before.map((_, i) => staying.has(i));
    this.#change(seq, items, kept, added, first);
    return true;
  }

  /** The text of an item that goes to another place, as these edits make it. */
  #taken(item: Item, edits: readonly Edit[], isFlow: boolean): string {
    const from = isFlow ? item.from : this.#lineStart(item.from);
    const to = isFlow ? item.to : this.#lineEnd(item.to);
    const moved = edits.map(edit => ({ ...edit, from: edit.from - from, to: edit.to - from }));
    return applied(this.#text.slice(from, to), moved);
  }

  /** Changes the items of a list each in its place, as those of a List; false where there are others, or where they are no maps. */
  #each(seq: YAMLSeq, before: readonly Json[], after: readonly Json[]): boolean {
    if (before.length !== after.length) return false;
    for (const [i, has] of after.entries()) {
      const [had, node] = [before[i], seq.items[i]];
      if (isDeepStrictEqual(had, has)) continue;
      if (!isMap(node) || !isObject(had) || !isObject(has) || !this.map(node, had, has)) return false;
    }
    return true;
  }

  /** Takes out and puts in items of a collection: `first` before all that stay, `added` behind each of them. */
  #change(
    { flow, range }: YAMLMap | YAMLSeq,
    items: readonly Item[],
    kept: readonly boolean[],
    added: readonly (readonly string[])[],
    first: readonly string[] = [],
  ): void {
    const anchor = items[kept.indexOf(true)]?.from ?? unknown();
    if (flow) {
      const between = this.#betweenIn(range?.[0] ?? unknown(), items[0]?.from ?? unknown());
      this.#dropInBrackets(items, kept);
      for (const [i, { to }] of items.entries())
        this.#insert(to, (added[i] ?? []).map(text => between + text).join(''));
      this.#insert(anchor, first.map(text => text + between).join(''));
      return;
    }
    this.#dropLines(items, kept);
    this.#insert(this.#aboveComments(this.#lineStart(anchor)), first.map(text => `${text}\n`).join(''));
    for (const [i, { to }] of items.entries()) {
      const texts = added[i] ?? [];
      if (texts.length > 0) this.#insert(this.#lineEnd(to), texts.map(text => `\n${text}`).join(''));
    }
  }

  #insert(at: number, text: string): void {
    if (text) this.#edits.push({ from: at, to: at, text });
  }

  /** What is between the items of a collection in brackets, of which the first begins at `first`. */
  #betweenIn(start: number, first: number): string {
    if (this.#text.slice(start, first).includes('\n')) return `,\n${' '.repeat(this.#column(first))}`;
    return this.#layout.json === 'compact' ? ',' : ', ';
  }

  /** Takes items out of brackets with the comma before them, or behind them where none before them stays. */
  #dropInBrackets(items: readonly Item[], kept: readonly boolean[]): void {
    for (const [i, item] of items.entries()) {
      if (kept[i]) continue;
      const isLed = kept.slice(0, i).includes(true);
      const [from, to] = isLed ? [items[i - 1]?.to, item.to] : [item.from, items[i + 1]?.from];
      this.#edits.push({ from: from ?? unknown(), to: to ?? unknown(), text: '' });
    }
  }

  /** Takes the lines of items away; of one that begins behind a dash, what is up to the next. */
  #dropLines(items: readonly Item[], kept: readonly boolean[]): void {
    for (const [i, { from, to }] of items.entries()) {
      if (kept[i]) continue;
      const line = this.#lineStart(from);
      const isAlone = this.#text.slice(line, from).trim() === '';
      const next = items[i + 1]?.from;
      // With the break before it: what is put in behind a line brings its own.
      const [first, last] = isAlone ? [line - 1, this.#lineEnd(to)] : [from, next ?? unknown()];
      this.#edits.push(first < 0 ? { from: 0, to: last + 1, text: '' } : { from: first, to: last, text: '' });
    }
  }

  #itemOf(pair: Pair): Item {
    return { from: startOf(pair.key), to: this.#endOf(pair) };
  }

  #behindColon(pair: Pair): number {
    const end = isScalar(pair.key) ? pair.key.range?.[1] : undefined;
    const colon = this.#text.indexOf(':', end ?? unknown());
    return colon < 0 ? unknown() : colon + 1;
  }

  #endOf(pair: Pair): number {
    const node = pair.value as Node | null;
    return !node || (isScalar(node) && node.value === null && !node.source)
      ? this.#behindColon(pair)
      : this.#endOfNode(node);
  }

  /** Where a node ends, without blank lines and comments behind it. */
  #endOfNode(node: Node): number {
    const last = (isMap(node) || isSeq(node)) && !node.flow ? node.items.at(-1) : undefined;
    if (last) return isMap(node) ? this.#endOf(last as Pair) : this.#endOfNode(last as Node);
    let end = node.range?.[1] ?? unknown();
    while (this.#text[end - 1] === '\n') end--;
    return end;
  }

  #isFlow = (node: Node | null): boolean => (isMap(node) || isSeq(node)) && !!node.flow;

  #dashOf(node: Node): number {
    const dash = this.#text.lastIndexOf('-', startOf(node) - 1);
    return this.#text.slice(this.#lineStart(dash), dash).trim() === '' ? dash : unknown();
  }

  #lineStart = (at: number): number => this.#text.lastIndexOf('\n', at - 1) + 1;

  #lineEnd(at: number): number {
    const end = this.#text.indexOf('\n', at);
    return end < 0 ? unknown() : end;
  }

  #column = (at: number): number => at - this.#lineStart(at);

  /** Comments above a line belong to it. */
  #aboveComments(line: number): number {
    let at = line;
    while (at > 0 && /^[ \t]*#/.test(this.#text.slice(this.#lineStart(at - 1), at))) at = this.#lineStart(at - 1);
    return at;
  }

  #block(value: Json, column: number): string {
    const { indent, indentSeq } = this.#layout;
    const text = stringify(value, { ...kubectls, lineWidth: 0, indent, indentSeq }).trimEnd();
    return text.replace(/^(?=.)/gm, ' '.repeat(column));
  }

  /** Within a line, or within brackets; a text in the quotes of what it takes the place of. */
  #inline(value: Json, column: number, instead?: Scalar): string {
    const { json, indent } = this.#layout;
    if (json !== undefined)
      return JSON.stringify(value, null, json === 'spread' ? indent : 0).replaceAll('\n', `\n${' '.repeat(column)}`);
    if (typeof value === 'string' && instead?.type === Scalar.QUOTE_DOUBLE) return JSON.stringify(value);
    if (typeof value === 'string' && instead?.type === Scalar.QUOTE_SINGLE && !/[\n\t]/.test(value))
      return `'${value.replaceAll("'", "''")}'`;
    // A list of it alone has it as it is written within brackets.
    const list = stringify([value], { ...kubectls, ...inBrackets }).trim();
    return list.includes('\n') ? JSON.stringify(value) : list.slice(1, -1).trim();
  }

  #inlinePair(key: string, value: Json, column: number): string {
    return `${this.#inline(key, column)}:${this.#layout.json === 'compact' ? '' : ' '}${this.#inline(value, column)}`;
  }
}

const isObjectOrList = (value: Json): boolean => isObject(value) || isList(value);

const startOf = (node: unknown): number => {
  const { range } = node as Node;
  return range?.[0] ?? unknown();
};

/** The text of a document with what is another in its map in the place of what was; undefined where it is written in a way that is not known here. */
export function splice(
  text: string,
  document: Document.Parsed,
  before: JsonObject,
  after: JsonObject,
  layout: Layout,
): string | undefined {
  const splicer = new Splicer(text, document, layout);
  try {
    return isMap(document.contents) && splicer.map(document.contents, before, after) ? splicer.result() : undefined;
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}
