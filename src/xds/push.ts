import { memo } from '../memo.ts';
import { type NameSet, NONE, nameSet, union } from './name-set.ts';
import type { ResourceSet, Snapshot } from './resource-set.ts';
import { namingOrder, pushOrder, resourceType, warmedType, warmingType, type XdsType } from './resource-types.ts';
import { owed, resume, type Subscription, wanted } from './subscription.ts';
import { type Difference, holdsAll, unionView, type View } from './view.ts';

/** The subscriptions of one stream and what orders its responses. Immutable. */
export interface StreamState {
  readonly subscriptions: EachType<Subscription>;
  /** Clusters that are new to the client and whose endpoints it has not acknowledged yet; routes wait for them. */
  readonly awaited: { readonly names: NameSet; readonly since: number } | undefined;
  /** Since when a change of listeners or routes has had to wait. */
  readonly waiting: number | undefined;
  /** When the stream began. */
  readonly since: number;
}

/** The response to send next. */
export interface Step {
  readonly type: XdsType;
  readonly target: View;
  readonly by: Difference;
}

/** What a stream is owed. */
export interface Plan {
  /** The state with everything recorded that needs no response. */
  readonly state: StreamState;
  /** What to send now; after it is sent the plan is made again. */
  readonly step: Step | undefined;
  /** Whether more can be sent right after the step. */
  readonly more: boolean;
  /** Whether something is owed that cannot be sent yet: an answer from the client, or `wakeAt`, lets it go on. */
  readonly blocked: boolean;
  /** When the plan changes by itself. */
  readonly wakeAt: number | undefined;
}

/** What is wanted of one type. */
interface Want {
  /** The subscription with everything recorded that needs no response. */
  readonly subscription: Subscription;
  /** What the client is to have: what there is, and what of that which is no more it keeps for now. */
  readonly target: View;
  /** What is owed so that it has that. */
  readonly by: Difference | undefined;
  /** Until when it keeps something that it is not to have in the end; undefined where there is no such thing. */
  readonly keptUntil: number | undefined;
  /** Whether nothing is owed, under way or still to be taken away. */
  readonly settled: boolean;
}

type EachType<V> = { readonly [T in XdsType]: V | undefined };

/** The client's answer is waited for, and no time changes that. */
const ANSWER = Number.POSITIVE_INFINITY;

/** The names that are new to a client and have something to warm them. */
const coldNames = memo(
  (by: Difference, warming: ResourceSet): NameSet => nameSet(by.added.filter(name => warming.has(name))),
);

/** Every type has its place from the beginning: V8 is quick with objects that are all of one shape. */
const ofNoType = <V>(): { -readonly [T in XdsType]: EachType<V>[T] } => ({
  cluster: undefined,
  endpoint: undefined,
  secret: undefined,
  extension: undefined,
  listener: undefined,
  route: undefined,
  nameTable: undefined,
  trustBundle: undefined,
});

/** A stream without subscriptions. */
export const newStream = (since: number): StreamState => ({
  subscriptions: ofNoType(),
  awaited: undefined,
  waiting: undefined,
  since,
});

/** The state with one subscription replaced. */
export const withSubscription = (state: StreamState, subscription: Subscription): StreamState => ({
  ...state,
  subscriptions: { ...state.subscriptions, [subscription.type]: subscription },
});

/**
 * Decides what a stream is sent next, make before break: clusters and endpoints, then listeners, then routes; a change of listeners or
 * routes waits until the clusters are acknowledged (Envoy does so when they are warm) and the endpoints of new ones too; what is removed
 * goes when whatever may name it has been acknowledged without it.
 *
 * No wait is longer than `grace` milliseconds, for clients that never ask for some type. The first answer to a client that has nothing yet
 * never waits.
 */
export function plan(before: StreamState, snapshot: Snapshot, now: number, grace: number): Plan {
  const state = settleAwaited(before, snapshot, now, grace);
  const wants = wantsOf(state, snapshot, now, grace);
  const warm = warmUntil(state, wants[warmedType]?.by, now, grace);
  const closed = (want: Want): number | undefined => closedUntil(want, warm, now, grace);
  return next(recorded(state, wants, waitingSince(state, wants, warm, now, grace)), wants, closed);
}

/** What is wanted of each type that the client has subscribed to. */
function wantsOf(
  { subscriptions, since }: StreamState,
  snapshot: Snapshot,
  now: number,
  grace: number,
): EachType<Want> {
  // A client that comes back with clusters asks for its listeners and routes in a moment.
  const returning = subscriptions[warmedType]?.resumed && now < since + grace ? since + grace : undefined;
  const wants = ofNoType<Want>();
  for (const type of namingOrder) {
    const given = subscriptions[type];
    if (given) wants[type] = wantOf(given, snapshot[type], wants, returning);
  }
  return wants;
}

function wantOf(given: Subscription, set: ResourceSet, others: EachType<Want>, returning: number | undefined): Want {
  const { warms, removal } = resourceType(given.type);
  const warmed = warms && others[warms]?.subscription;
  const all = wanted(given, set, warmed?.held);
  // The names changed, and nothing can be sent until the client answers: what it is owed is not told each time that it asks for more.
  if (given.exchange.phase === 'pending' && given.type !== warmedType && all.names !== given.held.names)
    return { subscription: given, target: given.held, by: undefined, keptUntil: ANSWER, settled: false };
  const subscription = resume(given, all, warmed?.resumed?.refreshed ?? NONE);
  const kept = removal === 'at once' || subscription.held === all ? all : unionView(subscription.held, all);
  const keptUntil = kept === all || typeof removal === 'string' ? undefined : namedUntil(removal, others, returning);
  const target = keptUntil === undefined && removal !== 'never' ? all : kept;
  const by = owed(subscription, target);
  return {
    subscription: !by && subscription.held !== target ? { ...subscription, held: target } : subscription,
    target,
    by,
    keptUntil,
    settled: !by && keptUntil === undefined && subscription.exchange.phase !== 'pending',
  };
}

/** Until when what is no more may still be named by something of these types; undefined when it is not. */
function namedUntil(
  types: readonly XdsType[],
  wants: EachType<Want>,
  returning: number | undefined,
): number | undefined {
  for (const type of types) {
    const want = wants[type];
    if (want && !want.settled) return ANSWER;
    if (!want && returning !== undefined) return returning;
  }
  return undefined;
}

/** Until when a response has to wait; undefined when it need not. `warm` is until when news has. */
const closedUntil = ({ subscription }: Want, warm: number | undefined, now: number, grace: number) =>
  answeredUntil(subscription, now, grace) ?? (namesNews(subscription) ? warm : undefined);

/** Since when a change of listeners or routes has had to wait for clusters. */
function waitingSince(
  { waiting }: StreamState,
  wants: EachType<Want>,
  warm: number | undefined,
  now: number,
  grace: number,
): number | undefined {
  let names = false;
  for (const type of pushOrder) {
    const want = wants[type];
    if (!want?.by || !namesNews(want.subscription)) continue;
    if (warm !== undefined && answeredUntil(want.subscription, now, grace) === undefined) return waiting ?? now;
    names = true;
  }
  return names ? waiting : undefined;
}

/** Until when the answer to the last response of a type is waited for. */
function answeredUntil({ type, exchange }: Subscription, now: number, grace: number): number | undefined {
  if (exchange.phase !== 'pending') return undefined;
  if (type !== warmedType) return ANSWER;
  // Envoy acknowledges clusters once they are warm. One that waits for a secret never is, and what is owed may be its cure.
  const until = exchange.sent.at + grace;
  return now < until ? until : undefined;
}

/** Whether the next response may name something new. The first to a client that has nothing yet names only what it gets as well. */
const namesNews = ({ type, resumed, exchange }: Subscription): boolean =>
  resourceType(type).gated && (resumed !== undefined || exchange.phase !== 'initial');

/** Until when news of clusters, of which `by` is still to be sent, or the endpoints of new ones are to be acknowledged before anything may name them. */
function warmUntil(state: StreamState, by: Difference | undefined, now: number, grace: number): number | undefined {
  const { awaited, waiting, subscriptions } = state;
  const exchange = subscriptions[warmedType]?.exchange;
  const untold = exchange?.phase === 'pending' && (news(exchange.unacknowledged) || news(by));
  const until = Math.min(Math.max(untold ? exchange.sent.at : 0, awaited?.since ?? 0), waiting ?? now) + grace;
  return (untold || awaited) && now < until ? until : undefined;
}

const news = (by: Difference | undefined): boolean => by !== undefined && by.changed.length > 0;

const earlier = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

/** The first response, in push order, that nothing holds back. */
function next(state: StreamState, wants: EachType<Want>, closedUntil: (want: Want) => number | undefined): Plan {
  let step: Step | undefined;
  let more = false;
  let waits: number | undefined;
  for (const type of pushOrder) {
    const want = wants[type];
    if (!want) continue;
    const closed = want.by && closedUntil(want);
    waits = earlier(waits, earlier(want.keptUntil, closed));
    if (!want.by || closed !== undefined) continue;
    if (step) more = true;
    else step = { type, target: want.target, by: want.by };
  }
  // What was changed makes due what warms it.
  if (step?.type === warmedType) more = true;
  return { state, step, more, blocked: waits !== undefined, wakeAt: waits === ANSWER ? undefined : waits };
}

/** The state with everything recorded that needs no response. */
function recorded(state: StreamState, wants: EachType<Want>, waiting: number | undefined): StreamState {
  const same = pushOrder.every(type => wants[type]?.subscription === state.subscriptions[type]);
  if (same && waiting === state.waiting) return state;
  const subscriptions = ofNoType<Subscription>();
  for (const type of pushOrder) subscriptions[type] = wants[type]?.subscription;
  return { ...state, subscriptions, waiting };
}

/** Forgets the new clusters that are awaited once their endpoints are acknowledged, or have been waited for long enough. */
function settleAwaited(state: StreamState, snapshot: Snapshot, now: number, grace: number): StreamState {
  const { awaited } = state;
  if (!awaited) return state;
  const acked = state.subscriptions[warmingType]?.exchange.acked?.view;
  const arrived = acked !== undefined && holdsAll(acked, awaited.names, snapshot[warmingType]);
  return arrived || now >= awaited.since + grace ? { ...state, awaited: undefined } : state;
}

/** The state after a step has been sent: new clusters with endpoints are awaited. */
export function afterStep(
  state: StreamState,
  { type, by }: Step,
  subscription: Subscription,
  snapshot: Snapshot,
  now: number,
): StreamState {
  const before = state.subscriptions[type];
  const sent = withSubscription(state, subscription);
  // A client that has nothing yet has no routes to keep whole.
  if (type !== warmedType || (!before?.exchange.sent && !before?.resumed)) return sent;
  const cold = coldNames(by, snapshot[warmingType]);
  if (cold === NONE) return sent;
  return { ...sent, awaited: { names: union(state.awaited?.names ?? NONE, cold), since: now } };
}
