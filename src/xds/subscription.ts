import { memo } from '../memo.ts';
import type { Protocol } from './frame.ts';
import { ALL, type NameSet, NONE, nameSet, union, without } from './name-set.ts';
import type { ResourceSet } from './resource-set.ts';
import { resourceType, type XdsType } from './resource-types.ts';
import {
  type Difference,
  difference,
  differenceAsked,
  emptyView,
  isSame,
  resourceIn,
  resourcesIn,
  resumedView,
  type View,
  view,
} from './view.ts';

/** A response that was sent, as its acknowledgement is matched with it. */
export interface Delivery {
  readonly nonce: string;
  readonly version: string;
  /** Milliseconds of the caller's clock. */
  readonly at: number;
  readonly view: View;
}

/** A client's refusal of a response. */
export interface Rejection {
  readonly nonce: string;
  readonly version: string;
  readonly at: number;
  readonly code: number;
  /** The client's own words. */
  readonly message: string;
  /** The resources of the response that the message names; all of them if it names none. */
  readonly names: readonly string[];
}

/** What a client is owed though nothing changed, until the next response. */
interface Due {
  /** Names that are to be answered: asked for (again), or given up under a wildcard. */
  readonly names: NameSet;
  /** Names that came with a rejected response but were not blamed: sent again together with the next change. */
  readonly unsure: NameSet;
  /** Whether there is to be a response even if it is empty. */
  readonly response: boolean;
}

const NOTHING_DUE: Due = Object.freeze({ names: NONE, unsure: NONE, response: false });

/** What a client had from an earlier stream when it came. */
interface Resumed {
  /** The versions that a delta client came with, until it is known what it is to have instead. */
  readonly initialVersions: ReadonlyMap<string, string> | undefined;
  /** What had to be sent all the same of what it came with. */
  readonly refreshed: NameSet;
}

/** Responses and what the client said to them. */
export type Exchange =
  /** Before the first response. */
  | {
      readonly phase: 'initial';
      readonly sent: undefined;
      readonly unacknowledged: undefined;
      readonly acked: undefined;
      readonly nacked: undefined;
    }
  /** A response is to be acknowledged: what is in it. At most one a type is under way. */
  | {
      readonly phase: 'pending';
      readonly sent: Delivery;
      readonly unacknowledged: Difference;
      readonly acked: Delivery | undefined;
      readonly nacked: Rejection | undefined;
    }
  /** Every response has been answered. */
  | {
      readonly phase: 'idle';
      readonly sent: Delivery;
      readonly unacknowledged: undefined;
      readonly acked: Delivery | undefined;
      readonly nacked: Rejection | undefined;
    };

const NOT_BEGUN: Exchange = Object.freeze({
  phase: 'initial',
  sent: undefined,
  unacknowledged: undefined,
  acked: undefined,
  nacked: undefined,
});

/**
 * What one client wants of one type, what it was sent and what it said to that; the same for State-of-the-World and delta. Immutable.
 */
export interface Subscription {
  readonly type: XdsType;
  readonly protocol: Protocol;
  readonly wildcard: boolean;
  /** The names asked for; beside a wildcard, those that were also named. */
  readonly names: NameSet;
  /** What the client has been sent, as far as it is known. A rejected response counts as sent: its content is not sent again. */
  readonly held: View;
  readonly due: Due;
  /** Undefined for a client that came with nothing. */
  readonly resumed: Resumed | undefined;
  readonly exchange: Exchange;
}

interface Answered {
  /** The nonce of the response that is answered; empty if none is. */
  readonly nonce: string;
  readonly error: { readonly code: number; readonly message: string } | undefined;
}

/** A discovery request of either protocol. */
export type Request =
  | (Answered & { readonly protocol: 'sotw'; readonly names: readonly string[]; readonly version: string })
  | (Answered & {
      readonly protocol: 'delta';
      readonly subscribe: readonly string[];
      readonly unsubscribe: readonly string[];
      readonly initial: ReadonlyMap<string, string>;
    });

/** What a request meant. */
export interface Reaction {
  readonly subscription: Subscription;
  readonly answer: 'none' | 'ack' | 'nack' | 'stale';
  readonly names: 'first' | 'changed' | 'same';
}

/** What a subscription's client is to have when `set` is what there is. */
export function wanted({ held, wildcard, names }: Subscription, set: ResourceSet, basis: View | undefined): View {
  const all = wildcard ? ALL : names;
  // Most changes concern one type: of the others there is what was there before.
  return held.set === set && held.names === all && held.basis === basis ? held : view(set, all, basis);
}

/** The state after a request; `s` is undefined for the first request of this type on the stream. */
export function onRequest(s: Subscription | undefined, type: XdsType, request: Request, now: number): Reaction {
  if (!s) return { subscription: first(type, request), answer: 'none', names: 'first' };
  if (request.protocol === 'sotw') return onStateOfTheWorld(s, request, now);
  const { subscription, answer } = onAnswer(s, request, now);
  const changed = onDeltaNames(subscription, request);
  return { subscription: changed, answer, names: changed === subscription ? 'same' : 'changed' };
}

interface Asking {
  readonly star: boolean;
  readonly named: NameSet;
}

const NO_NAMES: Asking = Object.freeze({ star: false, named: NONE });
/** Fewer names than this are sooner read than looked up: their lists come fresh with every request, while long ones are one value (`decodeRequest`). */
const FEW_NAMES = 16;

const read = (names: readonly string[]): Asking => ({
  star: names.includes('*'),
  named: nameSet(names.filter(name => name !== '*')),
});
const readOnce = memo(read);

/** The names of a request, apart from the star. */
const asking = (names: readonly string[]): Asking =>
  names.length === 0 ? NO_NAMES : names.length < FEW_NAMES ? read(names) : readOnce(names);

function first(type: XdsType, request: Request): Subscription {
  const delta = request.protocol === 'delta';
  const given = delta ? request.subscribe : request.names;
  const { star, named: names } = asking(given);
  const initialVersions = delta && request.initial.size > 0 ? request.initial : undefined;
  const resumes = delta ? initialVersions !== undefined : request.version !== '';
  return {
    type,
    protocol: request.protocol,
    // No names at all ask for everything, of the types that can be asked for so; a star does of every type.
    wildcard: star || (given.length === 0 && resourceType(type).wildcard),
    names,
    held: emptyView(type),
    due: { names: delta && !initialVersions ? names : NONE, unsure: NONE, response: true },
    resumed: resumes ? { initialVersions, refreshed: NONE } : undefined,
    exchange: NOT_BEGUN,
  };
}

function onStateOfTheWorld(s: Subscription, request: Request & { protocol: 'sotw' }, now: number): Reaction {
  // Without a nonce the client starts over, as after it has lost what it had.
  if (request.nonce === '' && !request.error)
    return { subscription: first(s.type, request), answer: 'none', names: 'first' };
  const { subscription, answer } = onAnswer(s, request, now);
  // A request that answers an older response was sent before the newest arrived: the answer to that one will carry the names.
  if (answer === 'stale') return { subscription, answer, names: 'same' };
  const changed = onNames(subscription, request.names);
  return { subscription: changed, answer, names: changed === subscription ? 'same' : 'changed' };
}

/** A response's names: any number of clients may refuse it. */
const namesOf = memo((by: Difference): readonly string[] => by.changed.map(r => r.name));
const setOf = memo((names: readonly string[]): NameSet => nameSet(names));

function onAnswer(s: Subscription, { nonce, error }: Answered, now: number): Pick<Reaction, 'subscription' | 'answer'> {
  const { sent, unacknowledged, acked } = s.exchange;
  if (nonce === '' && !error) return { subscription: s, answer: 'none' };
  if (nonce !== (sent?.nonce ?? '')) return { subscription: s, answer: 'stale' };
  // The same request with other names follows when the client wants more: it answers nothing that is still open.
  if (!unacknowledged) return { subscription: s, answer: 'none' };
  const idle = { phase: 'idle', sent, unacknowledged: undefined } as const;
  if (!error) {
    const exchange: Exchange = { ...idle, acked: { ...sent, at: now }, nacked: undefined };
    return { subscription: { ...s, exchange }, answer: 'ack' };
  }
  const names = namesOf(unacknowledged);
  const blamed = names.filter(name => mentions(error.message, name));
  const nacked = {
    nonce: sent.nonce,
    version: sent.version,
    at: now,
    code: error.code,
    message: error.message,
    names: blamed.length > 0 ? blamed : names,
  };
  // Envoy refuses some responses as a whole: what it does not complain of may or may not have arrived.
  const unsure = blamed.length > 0 ? union(s.due.unsure, without(setOf(names), nameSet(blamed))) : s.due.unsure;
  return {
    subscription: { ...s, due: { ...s.due, unsure }, exchange: { ...idle, acked, nacked } },
    answer: 'nack',
  };
}

const wordCharacter = /[\w|./-]/;

/** Whether `message` has `name` in it, as a word of its own. */
function mentions(message: string, name: string): boolean {
  for (let at = message.indexOf(name); at >= 0 && name !== ''; at = message.indexOf(name, at + 1)) {
    const before = message[at - 1] ?? ' ';
    const after = message.slice(at + name.length).replace(/^[.]/, '')[0] ?? ' ';
    if (!wordCharacter.test(before) && !wordCharacter.test(after)) return true;
  }
  return false;
}

/** The names of a State-of-the-World request, which are all that the client wants from now on. */
function onNames(s: Subscription, given: readonly string[]): Subscription {
  // Envoy repeats its names in every acknowledgement; a few are compared sooner than looked up.
  const few = given.length < FEW_NAMES && !s.wildcard && given.length === s.names.size;
  if (few && given.every(name => s.names.has(name))) return s;
  const { star, named: names } = asking(given);
  const wildcard = star || (given.length === 0 && s.wildcard);
  if (names === s.names && wildcard === s.wildcard) return s;
  const more = (wildcard && !s.wildcard) || without(names, s.wildcard ? NONE : s.names) !== NONE;
  return narrow({ ...s, wildcard, names, due: { ...s.due, response: s.due.response || more } });
}

/** What a client that stopped asking for some names still counts as having. */
function narrow(s: Subscription): Subscription {
  if (s.wildcard) return s;
  const had = s.held.names;
  return holding(s, had.all ? s.names : without(had, without(had, s.names)));
}

const holding = (s: Subscription, names: NameSet): Subscription =>
  names === s.held.names ? s : { ...s, held: view(s.held.set, names, s.held.basis) };

function onDeltaNames(s: Subscription, request: Request & { protocol: 'delta' }): Subscription {
  const { subscribe, unsubscribe } = request;
  if (subscribe.length === 0 && unsubscribe.length === 0) return s;
  const { star, named: more } = asking(subscribe);
  const { named: less } = asking(unsubscribe);
  const wildcard = star || (s.wildcard && !unsubscribe.includes('*'));
  const names = union(without(s.names, less), more);
  // Under a wildcard a name that is given up is told again, since the client may have dropped it.
  const asked = union(without(s.due.names, less), wildcard ? union(more, less) : more);
  const due = { ...s.due, names: asked, response: s.due.response || subscribe.length > 0 };
  const next = { ...s, wildcard, names, due };
  // Without a wildcard, before and now, what the client has are names that it asked for: it costs only those that it gives up.
  if (wildcard || s.wildcard || s.held.names.all) return narrow(next);
  return holding(next, without(s.held.names, without(less, more)));
}

/**
 * Settles what a delta client came with against what it is to have: what it has in the right version is not sent again, unless it is of a
 * name in `warm`, which its client waits for; what is no more is taken away in its time.
 */
export function resume(s: Subscription, target: View, warm: NameSet): Subscription {
  const initial = s.resumed?.initialVersions;
  if (!initial) return s;
  const refreshed: string[] = [];
  for (const { name, version } of resourcesIn(target)) {
    if (initial.get(name) !== version || warm.has(name)) refreshed.push(name);
  }
  const extra = new Map([...initial].filter(([name]) => !resourceIn(target, name) && target.names.has(name)));
  const unknown = [...s.names].filter(name => !resourceIn(target, name) && !initial.has(name));
  const names = nameSet(refreshed);
  return {
    ...s,
    held: resumedView(target, extra),
    due: { ...s.due, names: union(s.due.names, union(names, nameSet(unknown))) },
    resumed: { initialVersions: undefined, refreshed: names },
  };
}

/** What is owed to a client so that it has `target`; undefined if nothing is. */
export function owed(s: Subscription, target: View): Difference | undefined {
  const { names, unsure, response } = s.due;
  if (s.held === target && names === NONE && unsure === NONE && !response) return undefined;
  let by = difference(s.held, target);
  if (names !== NONE) by = differenceAsked(by, target, names);
  const nothing = isSame(by) || (s.protocol === 'sotw' && by.changed.length === 0 && !resourceType(s.type).root);
  if (nothing) return response ? by : undefined;
  return unsure === NONE ? by : differenceAsked(by, target, without(unsure, names));
}

/** The state after a response has been sent. */
export const onSent = (
  s: Subscription,
  target: View,
  by: Difference,
  { nonce, version }: Pick<Delivery, 'nonce' | 'version'>,
  at: number,
): Subscription => ({
  ...s,
  held: target,
  due: NOTHING_DUE,
  exchange: {
    phase: 'pending',
    sent: { nonce, version, at, view: target },
    unacknowledged: by,
    acked: s.exchange.acked,
    nacked: s.exchange.nacked,
  },
});
