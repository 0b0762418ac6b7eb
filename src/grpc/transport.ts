import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type BoundName, bounds } from '../bounds.ts';
import { Account } from './account.ts';
import { addressOf } from './peer.ts';
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
  met(bound: BoundName, transport: Transport): void;
}

/** Milliseconds for the last words of what has been ended. */
const LAST_WORDS = 5_000;

/** A call, as its connection sees it. */
export interface TransportCall {
  readonly admitted: boolean;
  /** Bytes of its requests that are under way. */
  readonly waiting: number;
  fail(error: BoundError): void;
  end(code: Status, message: string): void;
  /** Ends it where it has been waited for for too long. */
  check(now: number): void;
}

/** One connection, from the moment that it is accepted. */
export class Transport {
  readonly turns: Turns;
  readonly requests: Account;
  readonly calls = new Set<TransportCall>();
  /** Where it comes from, as `address:port`. */
  readonly address: string;
  /** The same without the port. */
  readonly host: string;
  /** The name of the port that it came to. */
  readonly port: string;
  /** The client certificate and what came behind it, once it is secured. */
  certificates: readonly X509Certificate[] = [];
  readonly #socket: Socket;
  readonly #context: TransportContext;
  #admittedCalls = 0;
  /** Since when it has had no admitted call. */
  #silentSince: number;
  #endedAt: number | undefined;

  constructor(socket: Socket, port: string, context: TransportContext) {
    this.#socket = socket;
    this.#context = context;
    this.turns = context.turns;
    this.requests = new Account('connection-request-bytes', context.requests);
    this.address = addressOf(socket);
    this.host = addressOf({ remoteAddress: socket.remoteAddress });
    this.port = port;
    this.#silentSince = context.now();
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
    return this.#socket.bytesWritten;
  }

  admitted(): void {
    if (this.#admittedCalls++ === 0) this.#context.changed(this);
  }

  closed(call: TransportCall): void {
    if (!this.calls.delete(call) || !call.admitted || --this.#admittedCalls > 0) return;
    this.#silentSince = this.now();
    this.#context.changed(this);
  }

  met(bound: BoundName): void {
    this.#context.met(bound, this);
  }

  makeRoom(): boolean {
    return this.#context.makeRoom(this);
  }

  /** Ends the calls of which requests are under way. */
  shed(error: BoundError): void {
    for (const call of [...this.calls]) if (call.waiting > 0) call.fail(error);
  }

  /** Ends all calls with a status; the connection is cut off once they are over, or have been given time enough. */
  end(code: Status, message: string): void {
    this.#endedAt ??= this.now();
    for (const call of [...this.calls]) call.end(code, message);
    if (this.calls.size === 0) this.cut();
  }

  /** Cuts the connection off. */
  cut(): void {
    this.#socket.destroy();
  }

  /** Ends what has been waited for for too long; to be called every second or so. */
  check(): void {
    const now = this.now();
    if (this.#endedAt !== undefined) {
      if (this.calls.size === 0 || now - this.#endedAt >= LAST_WORDS) this.cut();
      return;
    }
    if (this.silent && now - this.#silentSince >= bounds['first-request-ms'].most) {
      const error = new BoundError('first-request-ms');
      this.met(error.bound);
      this.end(error.code, error.message);
      return;
    }
    for (const call of [...this.calls]) call.check(now);
  }
}
