import { memo } from '../memo.ts';
import { type NameSet, NONE, nameSet, union } from './name-set.ts';
import type { ResourceSet, Snapshot } from './resource-set.ts';
import { pushOrder, resourceType, type XdsType } from './resource-types.ts';
import { owed, resume, type Subscription, wanted } from './subscription.ts';
import { type Difference, holdsAll, unionView, type View } from './view.ts';

/** The subscriptions of one stream and what orders its responses. Immutable. */
export interface StreamState {
  readonly subscriptions: { readonly [T in XdsType]: Subscription | undefined };
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

interface Judged {
  readonly subscription: Subscription;
  readonly target: View;
  readonly by: Difference | undefined;
  /** Whether something that is no longer wanted is kept for now. */
  readonly keeps: boolean;
  /** Nothing is owed, under way or still to be taken away. */
  readonly settled: boolean;
}

const clustersAdded = memo(
  (by: Difference, endpoints: ResourceSet): NameSet => nameSet(by.added.filter(name => endpoints.has(name))),
);

/** Every type has its place from the beginning: V8 is quick with objects that are all of one shape. */
const nothing = Object.fromEntries(pushOrder.map(type => [type, undefined])) as StreamState['subscriptions'];

/** A stream without subscriptions. */
export const newStream = (since: number): StreamState => ({
  subscriptions: nothing,
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
  let state = settleAwaited(before, snapshot, now, grace);
  const judged: { [T in XdsType]?: Judged } = {};
  let wakeAt: number | undefined;
  let blocked = false;
  const wait = (until: number): void => {
    blocked = true;
    wakeAt = Math.min(wakeAt ?? until, until);
  };

  /** Whether nothing of `type` can name what another type wants to take away. */
  const letsGo = (type: XdsType): boolean => {
    const verdict = judge(type);
    if (verdict) return verdict.settled;
    // A client that comes back with clusters asks for its listeners and routes in a moment.
    const comesBack = state.subscriptions.cluster?.resumed === true && now < state.since + grace;
    if (comesBack) wait(state.since + grace);
    return !comesBack;
  };

  function judge(type: XdsType): Judged | undefined {
    const known = judged[type];
    if (known) return known;
    const given = state.subscriptions[type];
    if (!given) return undefined;
    const { warms, removal } = resourceType(type);
    const clusters = warms && state.subscriptions[warms];
    const all = wanted(given, snapshot[type], clusters?.held);
    if (given.pending && type !== 'cluster' && all.names !== given.held.names) {
      // The names changed, and nothing can be sent until the client answers: what it is owed is not told each time that it asks for more.
      const waits = { subscription: given, target: given.held, by: undefined, keeps: true, settled: false };
      judged[type] = waits;
      return waits;
    }
    const subscription = resume(given, all, clusters?.refreshed ?? NONE);
    const kept = removal === 'at once' || subscription.held === all ? all : unionView(subscription.held, all);
    const trimmed = kept === all || (removal !== 'never' && removal !== 'at once' && removal.every(letsGo));
    const target = trimmed ? all : kept;
    const by = owed(subscription, target);
    const keeps = !trimmed && removal !== 'never';
    const verdict = { subscription, target, by, keeps, settled: !by && !keeps && !subscription.pending };
    judged[type] = verdict;
    return verdict;
  }

  let step: Step | undefined;
  let more = false;
  let gated = false;
  for (const type of pushOrder) {
    const verdict = judge(type);
    if (!verdict) continue;
    const { subscription, target, by, keeps } = verdict;
    if (keeps) blocked = true;
    const recorded = !by && subscription.held !== target ? { ...subscription, held: target } : subscription;
    if (recorded !== state.subscriptions[type]) state = withSubscription(state, recorded);
    if (!by) continue;
    const behind = resourceType(type).gated && (subscription.resumed || subscription.sent !== undefined);
    if (behind) gated = true;
    if (subscription.pending) {
      // Envoy acknowledges clusters once they are warm. One that waits for a secret never is, and what is owed may be its cure.
      const until = (subscription.sent?.at ?? now) + grace;
      if (type !== 'cluster') blocked = true;
      else if (now < until) wait(until);
      if (type !== 'cluster' || now < until) continue;
    }
    const until = behind ? gateClosedUntil(state, judge('cluster'), now, grace) : undefined;
    if (until !== undefined) {
      if (state.waiting === undefined) state = { ...state, waiting: now };
      wait(until);
    } else if (step) more = true;
    else step = { type, target, by };
  }
  if (!gated && state.waiting !== undefined) state = { ...state, waiting: undefined };
  // Changed clusters make their endpoints due.
  if (step && pushOrder.some(type => resourceType(type).warms === step.type)) more = true;
  return { state, step, more, blocked, wakeAt };
}

/** Forgets the new clusters that are awaited once their endpoints are acknowledged, or have been waited for long enough. */
function settleAwaited(state: StreamState, snapshot: Snapshot, now: number, grace: number): StreamState {
  const { awaited } = state;
  if (!awaited) return state;
  const acked = state.subscriptions.endpoint?.acked?.view;
  const arrived = acked !== undefined && holdsAll(acked, awaited.names, snapshot.endpoint);
  return arrived || now >= awaited.since + grace ? { ...state, awaited: undefined } : state;
}

/** Until when listeners and routes have to wait; undefined when they need not. */
function gateClosedUntil(
  state: StreamState,
  clusters: Judged | undefined,
  now: number,
  grace: number,
): number | undefined {
  const { awaited, waiting, subscriptions } = state;
  const { sent, pending } = subscriptions.cluster ?? {};
  const unacknowledged = news(pending) || (pending !== undefined && news(clusters?.by)) ? sent : undefined;
  const until = Math.min(Math.max(unacknowledged?.at ?? 0, awaited?.since ?? 0), waiting ?? now) + grace;
  return (unacknowledged || awaited) && now < until ? until : undefined;
}

const news = (by: Difference | undefined): boolean => by !== undefined && by.changed.length > 0;

/** The state after a step has been sent: new clusters with endpoints are awaited. */
export function afterStep(
  state: StreamState,
  { type, by }: Step,
  subscription: Subscription,
  endpoints: ResourceSet,
  now: number,
): StreamState {
  const before = state.subscriptions[type];
  const next = withSubscription(state, subscription);
  // A client that has nothing yet has no routes to keep whole.
  if (type !== 'cluster' || (!before?.sent && !before?.resumed)) return next;
  const added = clustersAdded(by, endpoints);
  if (added === NONE) return next;
  return { ...next, awaited: { names: union(state.awaited?.names ?? NONE, added), since: now } };
}
