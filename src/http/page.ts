import type { DebugRight } from '../access/caller.ts';
import type { Peer } from '../grpc/peer.ts';

/**
 * What a page answers. A string is text; anything else is JSON, in which a part that is iterable is a list whose items are made when it is
 * their turn to be written, and a part that is a function is made by it then.
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

const isIterable = (value: object): value is Iterable<unknown> => Symbol.iterator in value;

/** Objects are taken apart so deep; what is deeper is written at once, and small. What a function makes is taken apart like a body. */
const DEEPEST = 4;

/** What is made late, made now. */
function whole(_: string, part: unknown): unknown {
  const value: unknown = typeof part === 'function' ? whole('', part()) : part;
  return typeof value === 'object' && value !== null && isIterable(value) ? [...value] : value;
}

function* json(value: unknown, indent: string, depth: number): Generator<string> {
  if (typeof value === 'function') {
    yield* json(value(), indent, Math.min(depth, 1));
    return;
  }
  if (typeof value !== 'object' || value === null || depth === DEEPEST) {
    yield JSON.stringify(value, whole, 2).replaceAll('\n', `\n${indent}`);
    return;
  }
  const inner = `${indent}  `;
  let between = '';
  if (isIterable(value)) {
    for (const item of value) {
      yield `${between || '['}\n${inner}`;
      yield* json(item ?? null, inner, depth + 1);
      between = ',';
    }
    yield between ? `\n${indent}]` : '[]';
    return;
  }
  for (const [name, part] of Object.entries(value)) {
    if (part === undefined) continue;
    yield `${between || '{'}\n${inner}${JSON.stringify(name)}: `;
    yield* json(part, inner, depth + 1);
    between = ',';
  }
  yield between ? `\n${indent}}` : '{}';
}

/** A body as text in pieces, JSON as `JSON.stringify` indents it. */
export function* pieces(body: unknown): Generator<string> {
  if (typeof body === 'string') yield body;
  else {
    yield* json(body, '', 0);
    yield '\n';
  }
}

/** Characters of a body that are made bytes at once. */
const CHUNK = 64 * 1024;

/** A body as bytes in pieces. */
export function* bytesOf(body: unknown): Generator<Buffer> {
  let text = '';
  for (const piece of pieces(body)) {
    text += piece;
    if (text.length < CHUNK) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}
