import type { Waiting } from '../grpc/call.ts';
import type { Origin, Peer } from '../grpc/peer.ts';
import { type Status, type StatusError, status } from '../grpc/status.ts';
import type { Node } from '../proto/generated/envoy/config/core/v3.ts';
import type { Frame, OtherResource, Protocol } from './frame.ts';
import type { InquiryAdmission } from './inquiry.ts';
import type { Snapshot } from './resource-set.ts';
import type { XdsType } from './resource-types.ts';
import type { Delivery, Rejection } from './subscription.ts';

/** A stream of an admitted client. */
export interface Stream<C> {
  /** Counts the streams of this server. */
  readonly id: number;
  readonly protocol: Protocol;
  readonly client: C;
  readonly peer: Origin;
  /** What it is to have has changed, be it for this stream alone; `causes` are the changes of the world that it is for. */
  touch(causes: readonly Cause[]): void;
  /** Ends it. */
  fail(error: StatusError): void;
}

/** Whether a stream is served, and as whom. */
export type Admission<C> =
  | { readonly ok: true; readonly client: C }
  | { readonly ok: false; readonly code: Status; readonly message: string };

/** Refuses who comes before there is a whole world; it begins with istiod's words. */
export const notReady = Object.freeze({
  ok: false,
  code: status.UNAVAILABLE,
  message: 'server is not ready to serve discovery information: not every kind of object has been listed yet',
} as const);

/** A change of the world, as it is followed to the proxies' acknowledgements. */
export interface Cause {
  readonly kind: string;
  /** When it arrived, in milliseconds of the server's clock. */
  readonly at: number;
}

/** A response that was handed to the socket. */
export interface Sent {
  readonly type: XdsType;
  readonly frame: Frame;
  readonly changed: number;
  readonly removed: number;
  /** The changes that it carries; those that did not concern its type are among them. */
  readonly causes: readonly Cause[];
}

/** A response that was acknowledged. */
export interface Acked {
  readonly type: XdsType;
  readonly delivery: Delivery;
  /** When it was sent; `delivery.at` says when it was acknowledged. */
  readonly sentAt: number;
  readonly causes: readonly Cause[];
}

/** A request for a type that is not in `resourceTypes`. */
export interface OtherRequest {
  readonly typeUrl: string;
  readonly protocol: Protocol;
  /** The names asked for. */
  readonly names: readonly string[];
  readonly error: string | undefined;
  /** False for the second and later requests for the type on a stream. */
  readonly first: boolean;
}

/** Answers streams that ask about the control plane. */
export interface Inquiries {
  /** Whether a stream that begins with a request for the type is one. */
  has(typeUrl: string): boolean;
  /** Decides about such a stream by its first request. */
  connect(node: Node, peer: Peer): InquiryAdmission | Promise<InquiryAdmission>;
}

/** The side of the server that knows what proxies are and what they are to have. */
export interface AdsHandler<C> {
  /**
   * Decides about a stream by its first request. UNAVAILABLE is the code for a world that is not whole yet. Where it is known who calls, and
   * only we are waited for, `waiting` is to be admitted ahead of the answer: it is not cut off then.
   */
  connect(node: Node, peer: Peer, waiting: Waiting): Admission<C> | Promise<Admission<C>>;
  /** Answers streams that ask about the control plane and are no clients; without, there are none. */
  readonly inquiries?: Inquiries | undefined;
  /** What a client is to have now. Called whenever its stream is looked at: to be answered from memory, the same object if nothing changed. */
  snapshot(client: C): Snapshot;
  /** A stream has been admitted. */
  onOpen?(stream: Stream<C>): void;
  /** A stream that had been admitted has ended. */
  onClose?(stream: Stream<C>): void;
  onSend?(stream: Stream<C>, sent: Sent): void;
  onAck?(stream: Stream<C>, acked: Acked): void;
  onNack?(stream: Stream<C>, type: XdsType, rejection: Rejection): void;
  /**
   * Answers a request for another type: with resources, or with nothing sent at all ('ignore'). By default the answer is empty.
   */
  onOther?(stream: Stream<C>, request: OtherRequest): readonly OtherResource[] | 'ignore' | undefined;
  /** Something unexpected was thrown, by this handler among others; the stream lives on with what it has unless it had just begun. */
  onError?(error: unknown, stream: Stream<C> | undefined): void;
}
