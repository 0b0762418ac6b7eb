import { constants, type ServerHttp2Session } from 'node:http2';
import { TLSSocket } from 'node:tls';
import { type BoundName, bounds } from '../bounds.ts';
import { Account } from './account.ts';
import type { Call } from './call.ts';
import { BoundError, type Status } from './status.ts';
import type { Turns } from './turns.ts';

/** What a transport needs of its server. */
export interface TransportContext {
  readonly now: () => number;
  readonly turns: Turns;
  /** Bytes of requests of all transports. */
  readonly requests: Account;
  /** Ends what has most bytes of requests under way, unless it is `asking`; tells whether there is more room now. */
  makeRoom(asking: Transport): boolean;
  /** The transport has its first admitted call, or its last has ended. */
  changed(transport: Transport): void;
  met(bound: BoundName, transport: Transport, call: Call | undefined): void;
}

/** istiod's settings: a ping after 30 s, 10 s to answer. */
const PING_EVERY = 30_000;
const PING_ANSWER = 10_000;
/** Milliseconds for the last words of what has been ended. */
const LAST_WORDS = 5_000;

/** One HTTP/2 connection. */
export class Transport {
  readonly turns: Turns;
  readonly requests: Account;
  readonly calls = new Set<Call>();
  /** Where it comes from, as `address:port`. */
  readonly address: string;
  readonly localPort: number | undefined;
  readonly #session: ServerHttp2Session;
  readonly #context: TransportContext;
  #admittedCalls = 0;
  /** Since when it has had no admitted call. */
  #silentSince: number;
  #endedAt: number | undefined;
  #pingedAt: number;
  #pinging = false;

  constructor(session: ServerHttp2Session, context: TransportContext) {
    this.#session = session;
    this.#context = context;
    this.turns = context.turns;
    this.requests = new Account('connection-request-bytes', context.requests);
    const { remoteAddress = 'unknown', remotePort, localPort } = session.socket;
    this.address = remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`;
    this.localPort = localPort;
    this.#silentSince = this.#pingedAt = context.now();
  }

  now(): number {
    return this.#context.now();
  }

  /** Whether no call of it has been admitted. */
  get silent(): boolean {
    return this.#admittedCalls === 0;
  }

  /** Bytes that have been handed to the kernel; grows while the client reads. */
  get bytesWritten(): number {
    return this.#session.destroyed ? 0 : (this.#session.socket?.bytesWritten ?? 0);
  }

  /** The client's certificate, DER-encoded, if it has been verified. */
  get certificate(): Buffer | undefined {
    const { socket } = this.#session;
    return socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().raw : undefined;
  }

  admitted(_call: Call): void {
    if (this.#admittedCalls++ === 0) this.#context.changed(this);
  }

  closed(call: Call): void {
    if (!this.calls.delete(call) || !call.admitted || --this.#admittedCalls > 0) return;
    this.#silentSince = this.now();
    this.#context.changed(this);
  }

  met(bound: BoundName, call?: Call): void {
    this.#context.met(bound, this, call);
  }

  makeRoom(): boolean {
    return this.#context.makeRoom(this);
  }

  /** Ends the calls of which requests are under way. */
  shed(error: BoundError): void {
    for (const call of [...this.calls]) if (call.waiting > 0) call.fail(error);
  }

  /** Ends all calls with a status and tells the client to go; what is not over in a while is cut off. */
  end(code: Status, message: string): void {
    this.#endedAt ??= this.now();
    for (const call of [...this.calls]) call.end(code, message);
    if (!this.#session.destroyed) this.#session.close();
  }

  /** Cuts the connection off. */
  cut(): void {
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** Ends what has been waited for for too long; to be called every second or so. */
  check(): void {
    const now = this.now();
    if (this.#endedAt !== undefined) {
      if (now - this.#endedAt >= LAST_WORDS) this.#session.destroy();
      return;
    }
    if (this.silent && now - this.#silentSince >= bounds['first-request-ms'].most) {
      const error = new BoundError('first-request-ms');
      this.met(error.bound);
      this.end(error.code, error.message);
      return;
    }
    for (const call of [...this.calls]) call.check(now);
    this.#ping(now);
  }

  #ping(now: number): void {
    if (this.#pinging && now - this.#pingedAt >= PING_ANSWER) this.#session.destroy();
    if (this.#pinging || now - this.#pingedAt < PING_EVERY || this.#session.destroyed) return;
    this.#pingedAt = now;
    this.#pinging = this.#session.ping(() => {
      this.#pinging = false;
    });
  }
}
