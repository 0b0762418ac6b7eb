import { text } from 'node:stream/consumers';
import type { RawObject } from '../../config/raw.ts';
import { type ApiClient, SilentError } from '../../kubernetes/api-client.ts';
import { ApiError, failureLine } from '../../kubernetes/api-error.ts';
import { Backoff, jitter, pause } from '../../kubernetes/backoff.ts';
import { type Collection, collectionPath, selectors } from './collection.ts';
import type { Discovery } from './discovery.ts';
import { jsonLines } from './json-lines.ts';
import { KnownObjects } from './known-objects.ts';
import { project } from './projection.ts';
import type { Timing } from './timing.ts';
import type { WatchHealth } from './watch-health.ts';

/** Who hears of a collection. The first list comes as a whole, empty for a kind that is not installed; later only differences come. */
export interface ListWatchSink {
  listed(objects: readonly RawObject[]): void;
  changed(object: RawObject): void;
  gone(namespace: string, name: string): void;
}

/** What all list-watches share. */
export interface ListWatchContext {
  readonly client: ApiClient;
  readonly discovery: Discovery;
  readonly health: WatchHealth;
  readonly timing: Timing;
}

interface WatchEvent {
  readonly type?: unknown;
  readonly object?: unknown;
}

interface ListAnswer {
  readonly items?: readonly unknown[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/**
 * One collection's life: list it, watch it, and whatever happens begin again where the last state was left. What is known is never dropped
 * for a failure; only the API server's word removes an object.
 */
export class ListWatch {
  /** Resolves when the collection has been told once. */
  readonly synced: Promise<void>;
  readonly #name: string;
  readonly #collection: Collection;
  readonly #sink: ListWatchSink;
  readonly #context: ListWatchContext;
  readonly #known = new KnownObjects();
  readonly #backoff: Backoff;
  readonly #setSynced: () => void;
  #told = false;
  /** Where the watch stands; undefined when a list must tell. */
  #resourceVersion: string | undefined;
  /** The version of the API to use, until a 404 contradicts it. */
  #served: string | undefined;
  /** The server lists through the watch itself (Kubernetes 1.32 and later); else pages are read. */
  #streamsLists = true;
  #pages = true;
  #expiredInARow = 0;
  /** Whether the last watch brought anything, be it a bookmark. */
  #heard = false;
  #seenAbsent = false;

  constructor(name: string, collection: Collection, sink: ListWatchSink, context: ListWatchContext) {
    this.#name = name;
    this.#collection = collection;
    this.#sink = sink;
    this.#context = context;
    this.#backoff = new Backoff(context.timing.retryMs, context.timing.retryMaxMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#setSynced = resolve;
  }

  /** Runs until `signal` aborts; never fails. */
  async run(signal: AbortSignal): Promise<void> {
    this.#context.health.listing(this.#name);
    while (!signal.aborted) {
      let waitMs: number;
      try {
        this.#served ??= await this.#context.discovery.servedVersion(this.#collection);
        waitMs = this.#served === undefined ? this.#absent() : await this.#follow(this.#served, signal);
      } catch (error) {
        if (signal.aborted) return;
        waitMs = await this.#afterFailure(error);
      }
      if (waitMs > 0) await pause(waitMs, signal);
    }
  }

  /** Tells that everything is gone, after the watch has been stopped: nobody asks for the collection any more. */
  forget(): void {
    for (const { namespace, name } of this.#known.replace([]).gone) this.#sink.gone(namespace, name);
    this.#setSynced();
  }

  // Lists unless there is a place to resume from, then watches until the watch ends. Returns the wait before the next one.
  async #follow(version: string, signal: AbortSignal): Promise<number> {
    this.#seenAbsent = false;
    const path = collectionPath(this.#collection, version);
    if (this.#resourceVersion === undefined && !this.#streamsLists) await this.#list(path, version, signal);
    const openedAt = performance.now();
    try {
      await this.#watch(path, version, signal);
    } finally {
      if (performance.now() - openedAt >= this.#context.timing.livedMs) {
        this.#backoff.reset();
        this.#expiredInARow = 0;
      }
    }
    return this.#backoff.next();
  }

  async #list(path: string, version: string, signal: AbortSignal): Promise<void> {
    const { client, timing } = this.#context;
    const objects: RawObject[] = [];
    let more = '';
    do {
      const query = {
        ...selectors(this.#collection),
        ...(this.#pages && { limit: `${timing.pageSize}` }),
        ...(more && { continue: more }),
      };
      const answer = JSON.parse(await text(await client.open(path, { query, signal }))) as ListAnswer;
      for (const item of answer.items ?? []) objects.push(this.#project(item, version));
      more = answer.metadata?.continue ?? '';
      if (!more) this.#tell(objects, answer.metadata?.resourceVersion ?? '');
    } while (more);
    this.#pages = true;
  }

  async #watch(path: string, version: string, signal: AbortSignal): Promise<void> {
    const { client, timing, health } = this.#context;
    const listing: RawObject[] | undefined = this.#resourceVersion === undefined ? [] : undefined;
    const [least, most] = timing.watchSeconds;
    const query = {
      ...selectors(this.#collection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: `${Math.round(least + Math.random() * (most - least))}`,
      resourceVersion: this.#resourceVersion ?? '',
      ...(listing && { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }),
    };
    this.#heard = false;
    const response = await client.open(path, { query, signal, idleMs: timing.silenceMs });
    let unlisted = listing;
    if (!unlisted) health.watching(this.#name, this.#known.size);
    for await (const events of jsonLines(response)) {
      if (signal.aborted) return;
      this.#heard = true;
      for (const event of events) unlisted = this.#take(event as WatchEvent, version, unlisted);
      health.objects(this.#name, this.#known.size);
    }
  }

  // One event. While the watch still lists, `listing` collects its objects and is returned; undefined once all have come.
  #take({ type, object }: WatchEvent, version: string, listing: RawObject[] | undefined): RawObject[] | undefined {
    if (type === 'ERROR') throw ApiError.ofStatus(object);
    const raw = this.#project(object, version);
    const { namespace = '', name, resourceVersion = '', annotations } = raw.metadata;
    if (listing) {
      if (type !== 'BOOKMARK') listing.push(raw);
      else if (annotations?.['k8s.io/initial-events-end'] === 'true') {
        this.#tell(listing, resourceVersion);
        return undefined;
      } else throw new ApiError(422, { message: 'the API server does not list through watches' });
      return listing;
    }
    if (type === 'DELETED') {
      if (this.#known.forget(namespace, name)) this.#sink.gone(namespace, name);
    } else if (type !== 'BOOKMARK' && this.#known.note(raw)) this.#sink.changed(raw);
    if (resourceVersion) this.#resourceVersion = resourceVersion;
    return undefined;
  }

  // A whole list: as it is the first time, then what is different.
  #tell(objects: readonly RawObject[], resourceVersion: string): void {
    const { health } = this.#context;
    const { changed, gone } = this.#known.replace(objects);
    if (!this.#told) this.#sink.listed(objects);
    else {
      for (const { namespace, name } of gone) this.#sink.gone(namespace, name);
      for (const object of changed) this.#sink.changed(object);
      health.relisted(this.#name, changed.length, gone.length);
    }
    this.#resourceVersion = resourceVersion;
    this.#told = true;
    health.watching(this.#name, this.#known.size);
    this.#setSynced();
  }

  // No version of the kind is served. Whoever deletes a CRD deletes its objects first, and the watch says so; objects that are still known
  // mean that the watch was away, or that discovery is not whole yet, so a second look decides.
  #absent(): number {
    if (this.#known.size === 0 || this.#seenAbsent) {
      this.#resourceVersion = undefined;
      const { gone } = this.#known.replace([]);
      for (const { namespace, name } of gone) this.#sink.gone(namespace, name);
      if (!this.#told) this.#sink.listed([]);
      this.#told = true;
      this.#context.health.absent(this.#name);
      this.#setSynced();
    }
    this.#seenAbsent = true;
    return jitter(this.#context.timing.absentMs);
  }

  // What a failure means for the next attempt; returns the wait before it.
  async #afterFailure(error: unknown): Promise<number> {
    const listingByWatch = this.#resourceVersion === undefined && this.#streamsLists;
    if (error instanceof ApiError && error.expired) {
      this.#resourceVersion = undefined;
      if (!this.#streamsLists) this.#pages = this.#expiredInARow === 0;
      this.#expiredInARow += 1;
      return this.#expiredInARow === 1 ? jitter(100, 1) : this.#backoff.next();
    }
    // A watch that begins at a version of the future waits in silence for it: so it is after etcd was restored from a backup.
    if (error instanceof SilentError && !this.#heard) this.#resourceVersion = undefined;
    const code = error instanceof ApiError ? error.code : 0;
    if (listingByWatch && (code === 400 || code === 422 || error instanceof SilentError)) {
      this.#streamsLists = false;
      return 0;
    }
    if (code === 404) {
      this.#served = undefined;
      this.#context.discovery.forget(this.#collection.group);
      return this.#backoff.next();
    }
    this.#context.health.failing(this.#name, failureLine(error));
    if (code === 401)
      await this.#context.client.renew().catch(failed => this.#context.health.failing(this.#name, failureLine(failed)));
    const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : 0;
    return Math.max(this.#backoff.next(), retryAfterMs * (1 + Math.random() / 4));
  }

  #project(object: unknown, version: string): RawObject {
    const { kind, group } = this.#collection;
    return project(object, kind, group ? `${group}/${version}` : version);
  }
}
