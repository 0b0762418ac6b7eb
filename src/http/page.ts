import type { DebugRight } from '../access/caller.ts';
import type { Peer } from '../grpc/peer.ts';
import { Members, pause } from '../proto/json.ts';

/**
 * What a page answers. A string is text; anything else is JSON, in which a part that is iterable is a list whose items are made when it is
 * their turn to be written, and a part that is a function is made by it then (`LateJson`).
 */
export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: unknown;
}

/** What a client asks of a page. */
export interface PageRequest {
  readonly method: string;
  /** As it was asked for, percent signs read. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Empty where the method has none. */
  readonly body: Buffer;
  readonly peer: Peer;
  /** What it may show of the mesh and its proxies; of a page for everybody: nothing. */
  readonly debug: DebugRight;
}

/** A page by its path. */
export type Page = (request: PageRequest) => Answer | Promise<Answer>;

/** A page with one line for the index at `/debug`. */
export interface Entry {
  readonly help: string;
  readonly page: Page;
  /** Answered at once, before pages that take work: for what asks whether the control plane is well. */
  readonly probe?: true;
  /**
   * What it shows that is not for everybody: the mesh, for those who may look at all of it, or a proxy, also for those who may look at the proxies
   * of one namespace, and at no others.
   */
  readonly shows?: 'mesh' | 'proxy';
  /** What can be done with it: GET, which HEAD comes with, unless told. */
  readonly methods?: readonly Method[];
}

/** A method of a page; bodies of POST and PUT are read. */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Pages by their paths; `/a/` stands for all paths below `/a` that have no page of their own. */
export type Pages = Readonly<Record<string, Entry>>;

/** Go's words for a page that there is not, which istioctl looks for. */
export const NO_PAGE = '404 page not found\n';

/** The path with percent signs read; as it is where they say nothing. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The page at a path, as it is or with percent signs read, as Go's servers read them. */
export const pageAt = (pages: Pages, path: string): Entry | undefined =>
  [path, decoded(path)].flatMap(each => (Object.hasOwn(pages, each) ? (pages[each] ?? []) : []))[0];

/** Characters of a piece of JSON, about, and of what is looked at to make it. */
const PIECE = 4096;
/** What stands for a value that is short, and for the punctuation around one. */
const SHORT = 8;

/** What is left of `room` once a value is in it; less than nothing where it does not fit or has parts that are made late. */
function roomBeside(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - SHORT;
  if (typeof value === 'function') return -1;
  if (typeof value !== 'object' || value === null) return room - SHORT;
  let left = room - SHORT;
  if (Array.isArray(value)) {
    for (const item of value) {
      left = roomBeside(item, left);
      if (left < 0) break;
    }
    return left;
  }
  if (value instanceof Members || Symbol.iterator in value) return -1;
  for (const [name, part] of Object.entries(value)) {
    left = roomBeside(part, left - name.length);
    if (left < 0) break;
  }
  return left;
}

const fits = (value: unknown): boolean => roomBeside(value, PIECE) >= 0;

const shortJson = (value: unknown, indent: string): string =>
  JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`);

function* longText(text: string): Generator<string> {
  yield '"';
  for (let at = 0; at < text.length; ) {
    let to = at + PIECE;
    // Both halves of a character stay together.
    if (/[\uD800-\uDBFF]/.test(text[to - 1] ?? '')) to++;
    yield JSON.stringify(text.slice(at, to)).slice(1, -1);
    at = to;
  }
  yield '"';
}

/** The items of a list without names, and the members of an object with theirs. */
function* partsOf(value: object): Generator<readonly [string, unknown] | typeof pause> {
  if (value instanceof Members) yield* value.entries;
  else if (!(Symbol.iterator in value)) yield* Object.entries(value);
  else for (const item of value as Iterable<unknown>) yield item === pause ? pause : ['', item ?? null];
}

function* json(value: unknown, indent: string): Generator<string> {
  if (typeof value === 'function') {
    yield* json(value(), indent);
    return;
  }
  if (typeof value === 'string' && value.length > PIECE) {
    yield* longText(value);
    return;
  }
  if (typeof value !== 'object' || value === null || fits(value)) {
    yield shortJson(value, indent);
    return;
  }
  const [open, close] = Symbol.iterator in value ? '[]' : '{}';
  const inner = `${indent}  `;
  const isMadeNow = Array.isArray(value) || !(Symbol.iterator in value || value instanceof Members);
  let between = open;
  let text = '';
  for (const part of partsOf(value)) {
    if (part === pause) {
      yield text;
      text = '';
      continue;
    }
    const [name, item] = part;
    if (item === undefined) continue;
    text += `${between}\n${inner}${open === '{' ? `${JSON.stringify(name)}: ` : ''}`;
    between = ',';
    const isShort = fits(item);
    if (isShort) text += shortJson(item, inner);
    if (isShort && isMadeNow && text.length < PIECE) continue;
    yield text;
    text = '';
    if (!isShort) yield* json(item, inner);
  }
  yield between === open ? `${text}${open}${close}` : `${text}\n${indent}${close}`;
}

/** A body as text in pieces, JSON as `JSON.stringify` indents it, with `end` behind it. Those of what is made late are as long as the longest thing that is made at once. */
export function* pieces(body: unknown, end = '\n'): Generator<string> {
  if (typeof body === 'string') yield body;
  else {
    yield* json(body, '');
    yield end;
  }
}
