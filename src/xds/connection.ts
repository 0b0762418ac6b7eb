import { bounds } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import type { Call } from '../grpc/call.ts';
import type { Origin } from '../grpc/peer.ts';
import { BoundError, StatusError, status } from '../grpc/status.ts';
import type { Frame, Frames, Protocol } from './frame.ts';
import type { AdsHandler, Cause, Stream } from './handler.ts';
import type { KeptBytes } from './kept.ts';
import { StreamKept } from './kept.ts';
import { afterStep, newStream, type Plan, plan, type Step, type StreamState, withSubscription } from './push.ts';
import type { ReceivedRequest } from './request.ts';
import type { EncodedResource } from './resource.ts';
import type { Snapshot } from './resource-set.ts';
import { pushOrder, resourceType, type XdsType, xdsTypeOf } from './resource-types.ts';
import { onRequest, onSent, type Rejection, type Request } from './subscription.ts';
import { emptyView } from './view.ts';

/** What a stream was sent of one type and what it said to that; times in milliseconds of the server's clock. */
export interface TypeStatus {
  readonly type: XdsType;
  readonly typeUrl: string;
  /** How many names were asked for; 'all' for a wildcard. */
  readonly names: number | 'all';
  readonly versionSent: string | undefined;
  readonly nonceSent: string | undefined;
  readonly sentAt: number | undefined;
  readonly versionAcked: string | undefined;
  readonly nonceAcked: string | undefined;
  readonly ackedAt: number | undefined;
  /** Whether the response that was sent is still to be answered. */
  readonly pending: boolean;
  /** Why the client refused what it was sent last. */
  readonly rejection: Rejection | undefined;
}

/** What a client has at one moment. */
export interface Held {
  /** The resources of a type, in their order. */
  resources(type: XdsType): Iterable<EncodedResource>;
  /** The version of a type as a whole. */
  version(type: XdsType): string | undefined;
}

/** What a connection needs of its server. */
export interface ConnectionContext<C> {
  readonly handler: AdsHandler<C>;
  readonly frames: Frames;
  readonly clock: Clock;
  /** Milliseconds that a response may wait for another to be acknowledged. */
  readonly grace: number;
  readonly kept: KeptBytes;
  /** More is kept of what the connection said. Throws where all that is kept is too much and the connection has most of it. */
  weigh(connection: Connection<C>): void;
  /** A response is on its way out. */
  sending(connection: Connection<C>, frame: Frame): void;
  /** The response has left the process, or never will. */
  sent(frame: Frame): void;
  /** The client has acknowledged something, for the first time. */
  proved(connection: Connection<C>): void;
  /** Gives the connection a turn. */
  enqueue(connection: Connection<C>): void;
}

/** A call that is a client's stream from now on. */
interface Admitted<C> extends Pick<Stream<C>, 'id' | 'protocol' | 'client' | 'peer'> {
  /** How long its Node was. */
  readonly nodeBytes: number;
  readonly call: Call;
}

/** Types beyond those of `resourceTypes` that one stream may ask for, and answers to them that may wait to be read. */
const mostOthers = 32;
/** Changes that are remembered for the acknowledgement of one response. */
const mostCauses = 16;
const noCauses: readonly Cause[] = [];

/** One stream of one proxy: the shell around its state, which the functions of `push.ts` and `subscription.ts` decide about. */
export class Connection<C> implements Stream<C> {
  readonly id: number;
  readonly protocol: Protocol;
  readonly client: C;
  readonly peer: Origin;
  readonly connectedAt: number;
  /** Bytes of what the client has said. */
  readonly kept: StreamKept;
  /** Whether it has had no turn since the last push. */
  unseen = false;
  waitsIn: object | undefined;
  readonly #context: ConnectionContext<C>;
  readonly #call: Call;
  readonly #others = new Map<string, string>();
  readonly #sentFor: { [T in XdsType]?: readonly Cause[] } = {};
  #othersUnread = 0;
  #otherBytes = 0;
  #state: StreamState;
  #causes = noCauses;
  #blocked = false;
  #writingSince: number | undefined;
  #dirty = false;
  #closed = false;
  #wake: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor({ id, protocol, client, peer, nodeBytes, call }: Admitted<C>, context: ConnectionContext<C>) {
    this.id = id;
    this.protocol = protocol;
    this.client = client;
    this.peer = peer;
    this.kept = new StreamKept(context.kept, nodeBytes);
    this.#call = call;
    this.#context = context;
    this.connectedAt = context.clock.now();
    this.#state = newStream(this.connectedAt);
  }

  /** Whether everything that is owed has been sent and answered. */
  get settled(): boolean {
    const open = Object.values(this.#state.subscriptions).some(
      s => s && (s.exchange.phase === 'pending' || s.due.response),
    );
    return !open && !this.#blocked && !this.#dirty && this.#writingSince === undefined;
  }

  /** What each type's subscription has been sent and has answered, in push order. */
  status(): readonly TypeStatus[] {
    return pushOrder.flatMap(type => {
      const s = this.#state.subscriptions[type];
      if (!s) return [];
      const { phase, sent, acked, nacked } = s.exchange;
      return {
        type,
        typeUrl: resourceType(type).typeUrl,
        names: s.wildcard ? ('all' as const) : s.names.size,
        versionSent: sent?.version,
        nonceSent: sent?.nonce,
        sentAt: sent?.at,
        versionAcked: acked?.version,
        nonceAcked: acked?.nonce,
        ackedAt: acked?.at,
        pending: phase === 'pending',
        rejection: nacked,
      };
    });
  }

  /** The names of a type that the client asks for; none where it asks for all. */
  watched(type: XdsType): Iterable<string> {
    const { wildcard, names } = this.#state.subscriptions[type] ?? {};
    return wildcard || !names ? [] : names;
  }

  /** What the client has been sent and has not been told to remove, as it is now. */
  held(): Held {
    const { subscriptions } = this.#state;
    return {
      resources: type => ({
        *[Symbol.iterator]() {
          const { set, names } = subscriptions[type]?.held ?? emptyView(type);
          for (const resource of set.list) if (resource.bytes.length > 0 && names.has(resource.name)) yield resource;
        },
      }),
      version: type => subscriptions[type]?.exchange.sent?.version,
    };
  }

  /** The world changed. Says whether the connection has a turn coming; one that is still being written to has none yet. */
  touch(causes: readonly Cause[]): boolean {
    if (this.#closed) return false;
    if (this.#causes === noCauses) this.#causes = causes;
    else if (this.#causes.length < mostCauses) this.#causes = [...this.#causes, ...causes].slice(0, mostCauses);
    return this.#turn();
  }

  /** A request arrived. Throws a StatusError if the stream must end. */
  receive({ typeUrl, request }: ReceivedRequest): void {
    if (this.#closed) return;
    const type = xdsTypeOf(typeUrl);
    if (!type) {
      this.#receiveOther(typeUrl, request);
      return;
    }
    const before = this.#state.subscriptions[type];
    const { subscription, answer, names } = onRequest(before, type, request, this.#context.clock.now());
    if (subscription !== before) this.#state = withSubscription(this.#state, subscription);
    if (names !== 'same') {
      this.kept.names(typeUrl, subscription.names);
      if (names === 'first') this.kept.versions(typeUrl, subscription.resumed?.initialVersions);
      this.#context.weigh(this);
    }
    const { handler } = this.#context;
    if (answer === 'ack') {
      if (!this.#call.known) this.#context.proved(this);
      this.#call.known = true;
      this.kept.versions(typeUrl, undefined);
    }
    const { sent, acked, nacked } = subscription.exchange;
    if (answer === 'ack' && acked) {
      const causes = this.#sentFor[type] ?? noCauses;
      handler.onAck?.(this, { type, delivery: acked, sentAt: sent.at, causes });
    }
    if (answer === 'nack' && nacked) handler.onNack?.(this, type, nacked);
    if (names !== 'same' || this.#blocked) this.#turn();
  }

  /** Whether the client has ever acknowledged anything. */
  get known(): boolean {
    return this.#call.known;
  }

  /** The connection that this is a stream of. */
  get transport(): object {
    return this.#call.transport;
  }

  /** Since when a response has been on its way; undefined if none is. */
  get writingSince(): number | undefined {
    return this.#writingSince;
  }

  /** Sends the next response, if one is owed, and gives its bytes, else 0; `release` is called once they have left the process. */
  serve(release: () => void): number {
    if (this.#closed || this.#writingSince !== undefined) return 0;
    this.#dirty = false;
    try {
      const { handler, clock, grace } = this.#context;
      const snapshot = handler.snapshot(this.client);
      const planned = plan(this.#state, snapshot, clock.now(), grace);
      this.#state = planned.state;
      this.#blocked = planned.blocked;
      this.#wakeAt(planned.wakeAt);
      if (planned.step) {
        return this.#send(planned.step, planned, snapshot, release);
      }
      if (!planned.blocked) this.#causes = noCauses;
    } catch (error) {
      this.#context.handler.onError?.(error, this);
      const fed = Object.values(this.#state.subscriptions).some(s => s && s.exchange.phase !== 'initial');
      if (!fed) this.#call.end(status.INTERNAL, 'internal error');
    }
    return 0;
  }

  /** The stream is over. */
  close(): void {
    this.#closed = true;
    this.#wake?.cancel();
    this.kept.close();
  }

  /** Ends the stream, which `receive` and `serve` do by themselves where they must. */
  fail(error: StatusError): void {
    this.#call.fail(error);
    // Last words would wait behind what is not read.
    if (this.#writingSince !== undefined) this.#call.cut();
  }

  #send(step: Step, { more, blocked }: Plan, snapshot: Snapshot, release: () => void): number {
    const { handler, frames, clock } = this.#context;
    const { type, target, by } = step;
    const subscription = this.#state.subscriptions[type];
    if (!subscription) throw new Error(`a response of type ${type} without a subscription`);
    const frame = frames.response(this.protocol, by, target);
    const now = clock.now();
    const sent = onSent(subscription, target, by, frame, now);
    this.#state = afterStep(this.#state, step, sent, snapshot, now);
    const causes = this.#causes;
    this.#sentFor[type] = causes;
    if (!more && !blocked) this.#causes = noCauses;
    this.#writingSince = now;
    this.#context.sending(this, frame);
    this.#call.write(frame.buffers, () => {
      this.#writingSince = undefined;
      this.#context.sent(frame);
      release();
      if (more || this.#dirty) this.#turn();
    });
    handler.onSend?.(this, { type, frame, changed: by.changed.length, removed: by.removed.length, causes });
    return frame.size;
  }

  #turn(): boolean {
    if (this.#closed) return false;
    // A client that does not read is only remembered to be owed something.
    if (this.#writingSince !== undefined) this.#dirty = true;
    else this.#context.enqueue(this);
    return this.#writingSince === undefined;
  }

  #wakeAt(at: number | undefined): void {
    if (this.#wake?.at === at) return;
    this.#wake?.cancel();
    this.#wake = undefined;
    if (at === undefined) return;
    const { clock } = this.#context;
    const cancel = clock.after(Math.max(0, at - clock.now()), () => {
      this.#wake = undefined;
      this.#turn();
    });
    this.#wake = { at, cancel };
  }

  /** Each request for another type is answered by itself; nothing is pushed. */
  #receiveOther(typeUrl: string, request: Request): void {
    if (typeUrl.length > bounds['type-url'].most) throw new BoundError('type-url');
    const nonce = this.#others.get(typeUrl);
    if (nonce !== undefined && request.nonce === nonce) return;
    if (this.#others.size >= mostOthers || this.#othersUnread >= mostOthers) {
      throw new StatusError(status.RESOURCE_EXHAUSTED, 'too many requests for types that are not served');
    }
    const names = request.protocol === 'sotw' ? request.names : request.subscribe;
    const asked = {
      typeUrl,
      protocol: this.protocol,
      names,
      error: request.error?.message,
      first: nonce === undefined,
    };
    const answer = this.#context.handler.onOther?.(this, asked) ?? [];
    if (answer === 'ignore') return;
    const given = new Set(answer.map(r => r.name));
    const missing = names.filter(name => name !== '*' && !given.has(name));
    const frame = this.#context.frames.other(this.protocol, typeUrl, answer, missing);
    this.#others.set(typeUrl, frame.nonce);
    this.#othersUnread++;
    this.#otherBytes += frame.size;
    if (this.#otherBytes > bounds['other-response-bytes'].most) throw new BoundError('other-response-bytes');
    this.#call.write(frame.buffers, () => {
      this.#othersUnread--;
      this.#otherBytes -= frame.size;
    });
  }
}
