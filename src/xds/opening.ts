import type { Call } from '../grpc/call.ts';
import type { Peer } from '../grpc/peer.ts';
import { StatusError, status } from '../grpc/status.ts';
import type { Node } from '../proto/generated/envoy/config/core/v3.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import type { Protocol } from './frame.ts';
import type { Admission } from './handler.ts';
import { type InquiryAdmission, InquiryStream, type InquiryStreams } from './inquiry.ts';
import { decodeRequest, nodeAtStart, type ReceivedRequest } from './request.ts';
import { xdsTypeOf } from './resource-types.ts';

/** Bytes from which on reading a request and taking it in are turns of their own: 200,000 names take tens of milliseconds for each. */
const LONG = 64 * 1024;

/** What a stream is opened in. */
export interface OpeningContext<C> {
  readonly connections: ConnectionContext<C>;
  readonly inquiries: InquiryStreams;
  /** Counts the streams that are admitted. */
  count(): number;
  /** A client's stream was admitted. */
  opened(connection: Connection<C>): void;
}

/** What a call becomes: its first request decides whether it is a client's stream, or one that asks about the control plane. */
export class Opening<C> {
  readonly #protocol: Protocol;
  readonly #call: Call;
  readonly #context: OpeningContext<C>;
  #connection: Connection<C> | undefined;
  #inquiries: InquiryStream | undefined;

  constructor(protocol: Protocol, call: Call, context: OpeningContext<C>) {
    this.#protocol = protocol;
    this.#call = call;
    this.#context = context;
  }

  /** The client's stream, once it is admitted. */
  get connection(): Connection<C> | undefined {
    return this.#connection;
  }

  message(bytes: Buffer): void {
    this.#try(() => {
      const request = decoded(this.#protocol, bytes);
      if (bytes.length < LONG) this.#receive(request);
      else this.#call.defer(() => this.#try(() => this.#receive(request)));
    });
  }

  /** The first bytes of a message that is on its way: of a first request the Node may be there already. */
  beginning(bytes: Buffer): void {
    this.#try(() => {
      const found = nodeAtStart(this.#protocol, bytes);
      if (found) this.#admit(found.node, found.nodeBytes);
    });
  }

  close(): void {
    this.#inquiries?.close();
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof StatusError)) this.#context.connections.handler.onError?.(error, this.#connection);
    this.#call.fail(error);
  }

  #receive(request: ReceivedRequest): void {
    const { node, nodeBytes, typeUrl } = request;
    if (this.#connection) this.#connection.receive(request);
    else if (this.#inquiries) this.#inquiries.receive(request);
    else if (node && this.#isInquiry(typeUrl)) this.#inquire(node, request);
    else if (node) this.#admit(node, nodeBytes, request);
    // pilot-agent may report its health before Envoy's first request.
    else if (xdsTypeOf(typeUrl) !== undefined || this.#isInquiry(typeUrl))
      throw new StatusError(status.INVALID_ARGUMENT, 'missing node information');
  }

  #isInquiry(typeUrl: string): boolean {
    return this.#context.connections.handler.inquiries?.has(typeUrl) === true;
  }

  #inquire(node: Node, request: ReceivedRequest): void {
    const { connections, inquiries } = this.#context;
    const decided = (admission: InquiryAdmission): void => {
      if (this.#call.over) return;
      if (!admission.ok) throw new StatusError(admission.code, admission.message);
      this.#call.admit();
      this.#inquiries = new InquiryStream({
        protocol: this.#protocol,
        call: this.#call,
        frames: connections.frames,
        isInquiry: typeUrl => this.#isInquiry(typeUrl),
        admission,
        streams: inquiries,
        failed: error => this.#fail(error),
      });
      this.#inquiries.receive(request);
    };
    const admission = connections.handler.inquiries?.connect(node, this.#call.peer);
    if (admission instanceof Promise) {
      this.#call.pause();
      admission.then(decided).catch((error: unknown) => this.#fail(error));
    } else if (admission) decided(admission);
  }

  /** Decides about a client's stream; the request that the Node came with, if it is whole already, is the first to be answered. */
  #admit(node: Node, nodeBytes: number, request?: ReceivedRequest): void {
    const call = this.#call;
    call.heard();
    const peer = call.peer;
    const decided = (admission: Admission<C>): void => {
      this.#open(peer, nodeBytes, admission);
      if (request) this.#connection?.receive(request);
    };
    const admission = this.#context.connections.handler.connect(node, peer, call);
    if (!(admission instanceof Promise)) {
      decided(admission);
      return;
    }
    call.pause();
    admission.then(decided).then(
      () => call.resume(),
      (error: unknown) => this.#fail(error),
    );
  }

  #open({ address, port }: Peer, nodeBytes: number, admission: Admission<C>): void {
    const call = this.#call;
    if (call.over) return;
    if (!admission.ok) throw new StatusError(admission.code, admission.message);
    const { connections, count, opened } = this.#context;
    const { client } = admission;
    const admitted = { id: count(), protocol: this.#protocol, client, peer: { address, port }, nodeBytes, call };
    const connection = new Connection(admitted, connections);
    this.#connection = connection;
    opened(connection);
    call.admit();
    connections.handler.onOpen?.(connection);
  }
}

function decoded(protocol: Protocol, bytes: Buffer): ReceivedRequest {
  try {
    return decodeRequest(protocol, bytes);
  } catch {
    throw new StatusError(status.INVALID_ARGUMENT, 'malformed discovery request');
  }
}
