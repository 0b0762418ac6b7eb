import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { bounds, sentenceOf } from '../../bounds.ts';
import type { Clock } from '../../clock.ts';
import type { ConfigChange } from '../../config/store.ts';
import type { Jwks, KeyLocation, RemoteKeys } from '../../istio/remote-keys.ts';
import { Backoff, jitter } from '../../kubernetes/backoff.ts';
import { messageOf } from '../../unknown.ts';
import { type FetchContext, fetchKeys, type Resolve } from './fetch.ts';
import { type AddressRanges, allowedBy } from './ranges.ts';

/** istiod's PILOT_JWT_PUB_KEY_REFRESH_INTERVAL. */
const REFRESH_MS = 20 * 60_000;

/** Between failures, at first and at most. */
const RETRY_MS = { first: 1_000, most: 60_000 };

/** Between two times that keys are fetched because somebody misses one. */
const RENEW_MS = 30_000;

/** How long proxies wait for the keys of those who do not answer, when the control plane begins: what a call waits for by istiod's default. */
const BEGIN_MS = 5_000;

/** What remote keys are fetched with. */
export interface KeyContext {
  readonly ranges: AddressRanges;
  /** A file of certificates in PEM that vouch for servers, too; it is read before each attempt. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly emit: (change: ConfigChange) => void;
  readonly onFetch: (ok: boolean) => void;
  readonly resolve?: Resolve;
}

/** A URL that somebody names. */
interface Followed {
  readonly ended: AbortController;
  readonly backoff: Backoff;
  readonly tried: PromiseWithResolvers<void>;
  timeoutMs: number;
  readonly issuer: string | undefined;
  /** From when on they may be fetched because somebody misses one; Infinity while they are being fetched. */
  renewable: number;
  jwks: Jwks | undefined;
  cancel: () => void;
}

const reasonOf = (error: unknown): string => {
  // Of a name with several addresses each has failed in its own way.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join('; ');
  return messageOf(error);
};

/** Reads a file of certificates in PEM. Rejects where it cannot be read, or begins with none. */
export async function readCertificates(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  try {
    new X509Certificate(text);
  } catch {
    throw new Error('it has no certificate in PEM');
  }
  return text;
}

/**
 * The keys at the URLs that RequestAuthentications name, fetched beside all else (istio: JwksResolver): each URL once, anew every 20 minutes and
 * sooner after a failure. The last good keys stay for as long as there are no newer ones, and what nobody names any more is forgotten.
 */
export class RemoteKeySource {
  readonly #context: KeyContext;
  readonly #fetch: Omit<FetchContext, 'ca'>;
  readonly #followed = new Map<string, Followed>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #locations: ReadonlyMap<string, KeyLocation> = new Map();
  #ca: string | undefined;

  constructor(context: KeyContext) {
    this.#context = context;
    const resolve = context.resolve ?? (host => lookup(host, { all: true }));
    this.#fetch = { allows: allowedBy(context.ranges), resolve, onFetch: context.onFetch };
  }

  /** These are all that are named now; those that are named first are fetched first. Costs nothing where it is the same map as before. */
  follow(locations: ReadonlyMap<string, KeyLocation>): void {
    if (locations === this.#locations || this.#context.signal.aborted) return;
    const before = this.#locations;
    this.#locations = locations;
    const { most } = bounds['jwks-urls'];
    const wanted = new Map([...locations].slice(0, most));
    for (const [url, followed] of this.#followed) if (!wanted.has(url)) this.#forget(url, followed);
    for (const url of before.keys()) if (!locations.has(url)) this.#tellLater(url, undefined);
    for (const [url, { timeoutMs, issuer }] of wanted)
      this.#begin(url, Math.min(timeoutMs, bounds['jwks-ms'].most), issuer);
    for (const url of [...locations.keys()].slice(most)) this.#tellLater(url, { failure: sentenceOf('jwks-urls') });
  }

  /** Resolves once each has been tried, and in a while where one does not answer. */
  async tried(): Promise<void> {
    const first = Promise.all([...this.#followed.values()].map(({ tried }) => tried.promise));
    if (!this.#followed.size) return;
    await Promise.race([first, new Promise<void>(resolve => this.#context.clock.after(BEGIN_MS, resolve))]);
  }

  /** Fetches the keys of a URL although they are not old, since somebody misses one; not more often than every half minute. */
  renew(url: string): void {
    const followed = this.#followed.get(url);
    if (!followed || this.#context.clock.now() < followed.renewable) return;
    followed.cancel();
    void this.#refresh(url, followed);
  }

  #begin(url: string, timeoutMs: number, issuer: string | undefined): void {
    const known = this.#followed.get(url);
    if (known) {
      known.timeoutMs = timeoutMs;
      return;
    }
    const followed: Followed = {
      ended: new AbortController(),
      backoff: new Backoff(RETRY_MS.first, RETRY_MS.most),
      tried: Promise.withResolvers(),
      timeoutMs,
      issuer,
      renewable: Number.POSITIVE_INFINITY,
      jwks: undefined,
      cancel: () => {},
    };
    this.#followed.set(url, followed);
    void this.#refresh(url, followed);
  }

  #forget(url: string, followed: Followed): void {
    this.#followed.delete(url);
    followed.ended.abort();
    followed.cancel();
    followed.tried.resolve();
  }

  /** Whoever says what is named is in the middle of a world. */
  #tellLater(url: string, keys: RemoteKeys | undefined): void {
    queueMicrotask(() => this.#context.emit({ op: 'keys', url, keys }));
  }

  async #refresh(url: string, followed: Followed): Promise<void> {
    const { clock } = this.#context;
    const signal = AbortSignal.any([followed.ended.signal, this.#context.signal]);
    followed.renewable = Number.POSITIVE_INFINITY;
    const failure = await this.#turn(() => this.#attempt(url, followed, signal));
    if (signal.aborted) return;
    this.#context.emit({ op: 'keys', url, keys: { jwks: followed.jwks, failure } });
    followed.tried.resolve();
    if (failure === undefined) followed.backoff.reset();
    followed.renewable = clock.now() + RENEW_MS;
    const wait = failure === undefined ? jitter(REFRESH_MS, 0.1) : followed.backoff.next();
    followed.cancel = clock.after(wait, () => void this.#refresh(url, followed));
  }

  /** Fetches the keys; resolves to why there are none, or undefined. */
  async #attempt(url: string, followed: Followed, signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return undefined;
    const { timeoutMs } = followed;
    const timeout = AbortSignal.timeout(Math.ceil(timeoutMs));
    try {
      const context = { ...this.#fetch, ca: await this.#certificates(), issuer: followed.issuer };
      const text = await fetchKeys(url, context, AbortSignal.any([signal, timeout]));
      if (text !== followed.jwks?.text) followed.jwks = { text };
      return undefined;
    } catch (error) {
      return timeout.aborted ? `no whole answer within ${timeoutMs / 1_000} s` : reasonOf(error);
    }
  }

  /** Does something once fewer than so many others do. */
  async #turn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#underWay >= bounds['jwks-fetches'].most) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#underWay++;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      // Whoever is next has this one's turn.
      if (next) next();
      else this.#underWay--;
    }
  }

  /** The file's certificates; those of before where it cannot be read any more. */
  async #certificates(): Promise<string | undefined> {
    const { ca } = this.#context;
    if (ca === undefined) return undefined;
    this.#ca = await readCertificates(ca).catch((error: unknown) => {
      if (this.#ca === undefined) throw error;
      return this.#ca;
    });
    return this.#ca;
  }
}
