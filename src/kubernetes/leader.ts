import type { Logger } from 'pino';
import type { ApiClient } from './api-client.ts';
import { ApiError, failureLine } from './api-error.ts';
import { pause } from './backoff.ts';
import { collectionOf, type KubeObject, LEASES, microTime, pathOf } from './object.ts';
import { type Permit, PermitError } from './writer.ts';

/** Milliseconds. client-go's: others wait for `leaseMs`; a leader that could not renew for `renewMs` ends; all look every `retryMs`. */
export interface LeaderTiming {
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
}

const CLIENT_GO: LeaderTiming = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

/** Who competes for what. */
export interface Candidacy {
  readonly client: Pick<ApiClient, 'json' | 'renew'>;
  readonly log: Logger;
  /** The Lease that all candidates compete for. */
  readonly namespace: string;
  readonly name: string;
  /** No other candidate has it: a pod's name and something random. */
  readonly identity: string;
  readonly timing?: LeaderTiming;
}

/** What a Lease says. Each of its fields may be absent. */
interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

/** A point in time by two clocks. The one that only goes forward stands still while a machine is suspended; the other is set by people. */
interface Moment {
  readonly steady: number;
  readonly wall: number;
}

const now = (): Moment => ({ steady: performance.now(), wall: Date.now() });
const since = ({ steady, wall }: Moment): number => Math.max(performance.now() - steady, Date.now() - wall);

/** One leader's time in office. */
class Term implements Permit {
  readonly #ended = new AbortController();
  readonly #renewMs: number;
  #renewed: Moment;
  #deadline: NodeJS.Timeout | undefined;

  constructor(renewed: Moment, renewMs: number) {
    this.#renewMs = renewMs;
    this.#renewed = renewed;
    this.renew(renewed);
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  held(): boolean {
    return !this.signal.aborted && this.left > 0;
  }

  /** Milliseconds until it ends, unless it is renewed. */
  get left(): number {
    return this.#renewMs - since(this.#renewed);
  }

  /** The Lease was renewed by a request that began then. */
  renew(at: Moment): void {
    this.#renewed = at;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.end(), Math.max(0, this.left));
  }

  end(): void {
    clearTimeout(this.#deadline);
    this.#ended.abort();
  }
}

/**
 * One leader among any number of candidates, by a Lease and the algorithm of Kubernetes' client-go. Clocks of candidates are not compared: each
 * counts for itself how long the Lease has not changed. A leader's term ends by its own clock before anybody else may begin one.
 */
export class LeaderElection {
  readonly #candidacy: Candidacy;
  readonly #timing: LeaderTiming;
  /** The Lease as it was seen last, and since when it is so. */
  #seen: { readonly lease: Lease; readonly at: Moment } | undefined;
  #failing = false;

  constructor(candidacy: Candidacy) {
    this.#candidacy = candidacy;
    this.#timing = candidacy.timing ?? CLIENT_GO;
  }

  /**
   * Competes until `signal` aborts. `lead` is called whenever a term begins; it is to end soon after the term's signal has aborted, and nothing
   * new begins before it has. Where it fails, the term ends. The Lease is given back at the end of a term, so that others need not wait.
   */
  async run(signal: AbortSignal, lead: (term: Permit) => Promise<void>): Promise<void> {
    const { log, name } = this.#candidacy;
    const { retryMs, renewMs } = this.#timing;
    while (!signal.aborted) {
      const at = now();
      if (await this.#take(signal, renewMs / 2)) {
        log.info({ lease: name }, 'this replica is the leader');
        await this.#serve(new Term(at, renewMs), signal, lead);
        await this.#release();
        log.info({ lease: name }, 'this replica is the leader no more');
      }
      await pause(retryMs * (1 + 1.2 * Math.random()), signal);
    }
  }

  /** Renews until the term ends, and waits for `lead` to end. */
  async #serve(term: Term, signal: AbortSignal, lead: (term: Permit) => Promise<void>): Promise<void> {
    const { log } = this.#candidacy;
    const stop = (): void => term.end();
    signal.addEventListener('abort', stop, { once: true });
    const leading = (async () => lead(term))().catch((error: unknown) => {
      if (!(error instanceof PermitError)) log.error({ err: error }, "a leader's work failed");
      term.end();
    });
    while (term.held()) {
      await pause(this.#timing.retryMs, term.signal);
      const at = now();
      if (!term.held()) break;
      if (await this.#take(term.signal, Math.min(term.left, this.#timing.renewMs / 2))) term.renew(at);
      else if (!this.#isOurs) break;
    }
    term.end();
    signal.removeEventListener('abort', stop);
    await leading;
  }

  /** Whether the Lease was this candidate's when it was seen last. */
  get #isOurs(): boolean {
    return this.#seen?.lease.spec?.holderIdentity === this.#candidacy.identity;
  }

  /** Takes the Lease, or renews it, within so many milliseconds; tells whether it is this candidate's now. */
  async #take(until: AbortSignal, ms: number): Promise<boolean> {
    const { client, identity, log, name } = this.#candidacy;
    const signal = AbortSignal.any([until, AbortSignal.timeout(Math.ceil(ms))]);
    try {
      const taken = (this.#isOurs && (await this.#renew(signal))) || (await this.#compete(signal));
      this.#failing = false;
      return taken;
    } catch (error) {
      if (error instanceof ApiError && error.code === 401) await client.renew().catch(() => undefined);
      if (!until.aborted && !this.#failing) {
        this.#failing = true;
        const what = 'the Lease of the leader cannot be taken or renewed';
        log.warn({ lease: name, identity, err: failureLine(error) }, what);
      }
      return false;
    }
  }

  /** Renews the Lease as it was seen last; false where it is another by now. */
  async #renew(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#write(this.#seen?.lease, signal);
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return false;
      throw error;
    }
  }

  async #compete(signal: AbortSignal): Promise<boolean> {
    const lease = await this.#look(signal);
    return lease && this.#isHeldByAnother(lease) ? false : this.#write(lease, signal);
  }

  /** Writes this candidate into the Lease; false where somebody else wrote it meanwhile. */
  async #write(lease: Lease | undefined, signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name } = this.#candidacy;
    const metadata = lease?.metadata ?? { name, namespace };
    const body: Lease = { apiVersion: LEASES.apiVersion, kind: 'Lease', metadata, spec: this.#ours(lease?.spec) };
    const path = lease ? pathOf(LEASES, metadata) : collectionOf(LEASES, namespace);
    try {
      const written = (await client.json(path, { method: lease ? 'PUT' : 'POST', body, signal })) as Lease;
      this.#seen = { lease: written, at: now() };
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.code === 409) return false;
      throw error;
    }
  }

  /** Reads the Lease; undefined where there is none. */
  async #look(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#candidacy;
    try {
      const lease = (await client.json(pathOf(LEASES, { namespace, name }), { signal })) as Lease;
      if (this.#seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
        this.#seen = { lease, at: now() };
      return lease;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 404) throw error;
      this.#seen = undefined;
      return undefined;
    }
  }

  #isHeldByAnother({ spec = {} }: Lease): boolean {
    const { holderIdentity = '', leaseDurationSeconds = 0 } = spec;
    if (!holderIdentity || holderIdentity === this.#candidacy.identity || !this.#seen) return false;
    return since(this.#seen.at) < leaseDurationSeconds * 1000;
  }

  #ours(before: LeaseSpec | undefined): LeaseSpec {
    const { identity } = this.#candidacy;
    const continued = before?.holderIdentity === identity;
    const renewTime = microTime();
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
      acquireTime: (continued && before.acquireTime) || renewTime,
      renewTime,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (before && !continued ? 1 : 0),
    };
  }

  /** Gives the Lease back, if it is still this candidate's. */
  async #release(): Promise<void> {
    const { client, log, name } = this.#candidacy;
    const lease = this.#seen?.lease;
    if (!lease || !this.#isOurs) return;
    const at = microTime();
    const spec: LeaseSpec = {
      ...lease.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: at,
      renewTime: at,
    };
    // client-go's: an API server that is slow is not left to others to wait for.
    const signal = AbortSignal.timeout(this.#timing.renewMs);
    this.#seen = undefined;
    await client
      .json(pathOf(LEASES, lease.metadata), { method: 'PUT', body: { ...lease, spec }, signal })
      .catch((error: unknown) => log.info({ lease: name, err: failureLine(error) }, 'the Lease was not given back'));
  }
}
