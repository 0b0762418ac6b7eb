import type { ApiClient, ApiRequest } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { Backoff, pause } from './backoff.ts';
import { collectionOf, type KubeObject, type ObjectName, pathOf, type Resource } from './object.ts';

/** Whether one may write now. */
export interface Permit {
  /** Aborts when one may write no more: what is on its way is broken off. */
  readonly signal: AbortSignal;
  /** Asked before each request; a timer that aborts the signal can be late. */
  held(): boolean;
}

/** For what any replica may write. */
export const untilAborted = (signal: AbortSignal): Permit => ({ signal, held: () => !signal.aborted });

/** What a writer is told. */
export interface WriterOptions {
  readonly client: Pick<ApiClient, 'json' | 'renew'>;
  /** Who owns the fields that are written: shown in `managedFields`, and to whom server-side apply gives them. */
  readonly fieldManager: string;
  /** Of the leader, for what only one replica may write. */
  readonly permit: Permit;
  /** Milliseconds from the first wait before another try to the longest, and from the first try to the last. */
  readonly retryMs?: readonly [first: number, longest: number, giveUp: number];
}

/** Nothing was written, or nothing is known of what was: one may write no more. */
export class PermitError extends Error {}

/** The status of an object beside the object itself. */
type Subresource = 'status';

/**
 * Writes objects to the API server. Each write is tried again, with growing waits, for as long as the API server cannot answer: it is down,
 * overloaded, or has just been written to by somebody else. Its word that a write is wrong is passed on as an `ApiError`.
 */
export class Writer {
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** An object; undefined where there is none. */
  async get(resource: Resource, name: ObjectName): Promise<KubeObject | undefined> {
    return this.#tried(() => this.#json(pathOf(resource, name))).catch(undefinedIf(isAbsent));
  }

  /**
   * Server-side apply: makes the object, or its fields that are given, as they are here, whoever wrote them before; fields that were applied
   * before and are not given go. Fields of others stay.
   */
  apply(resource: Resource, object: KubeObject, subresource?: Subresource): Promise<KubeObject> {
    return this.#tried(
      () =>
        this.#json(pathAt(resource, object.metadata, subresource), {
          method: 'PATCH',
          contentType: 'application/apply-patch+yaml',
          query: { force: 'true' },
          body: object,
        }),
      isConflict,
    );
  }

  /**
   * Makes an object; undefined where there is one of that name. That may be the work of a try that got no answer: who wants to know reads the
   * object.
   */
  async create(resource: Resource, object: KubeObject): Promise<KubeObject | undefined> {
    const path = collectionOf(resource, object.metadata.namespace);
    return this.#tried(() => this.#json(path, { method: 'POST', body: object })).catch(undefinedIf(isThere));
  }

  /**
   * Changes an object as it is now. Where somebody else writes it meanwhile, `change` is asked again about what they wrote. Undefined from
   * `change` leaves the object as it is. Gives the object; undefined where there is none.
   */
  async update(
    resource: Resource,
    name: ObjectName,
    change: (object: KubeObject) => KubeObject | undefined,
    subresource?: Subresource,
  ): Promise<KubeObject | undefined> {
    const path = pathAt(resource, name, subresource);
    return this.#tried(async () => {
      const now = await this.#json(pathOf(resource, name));
      const body = change(now);
      if (!body) return now;
      const { resourceVersion } = now.metadata;
      const metadata = { ...body.metadata, ...(resourceVersion && { resourceVersion }) };
      return this.#json(path, { method: 'PUT', body: { ...body, metadata } });
    }, isConflict).catch(undefinedIf(isAbsent));
  }

  /** Merges fields into an object (RFC 7396): null removes one, a list takes the place of the list that was there. */
  patch(resource: Resource, name: ObjectName, body: object, subresource?: Subresource): Promise<KubeObject> {
    const path = pathAt(resource, name, subresource);
    return this.#tried(
      () => this.#json(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body }),
      isConflict,
    );
  }

  /** Deletes an object, if it is still the one with this uid; says whether it was there. */
  async delete(resource: Resource, name: ObjectName, uid?: string): Promise<boolean> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(uid && { preconditions: { uid } }) };
    const deleted = this.#tried(() => this.#json(pathOf(resource, name), { method: 'DELETE', body }));
    return (await deleted.catch(undefinedIf(isAbsent))) !== undefined;
  }

  async #json(path: string, request: ApiRequest = {}): Promise<KubeObject> {
    const { client, fieldManager, permit } = this.#options;
    const writes = request.method && request.method !== 'DELETE';
    const query = { ...request.query, ...(writes && { fieldManager }) };
    return (await client.json(path, { ...request, query, signal: permit.signal })) as KubeObject;
  }

  /** Tries until it succeeds or cannot; `alsoAgain` says which refusals are to be tried again as well. */
  async #tried<T>(attempt: () => Promise<T>, alsoAgain: (error: ApiError) => boolean = () => false): Promise<T> {
    const { client, permit, retryMs = [100, 5_000, 30_000] } = this.#options;
    const [first, longest, giveUp] = retryMs;
    const backoff = new Backoff(first, longest);
    const began = performance.now();
    for (let renewed = false; ; ) {
      if (!permit.held()) throw new PermitError('this replica may write no more');
      try {
        return await attempt();
      } catch (error) {
        if (permit.signal.aborted) throw new PermitError('this replica may write no more', { cause: error });
        const refused = error instanceof ApiError ? error : undefined;
        const stale = refused?.code === 401 && !renewed;
        if (refused && !stale && !isPassing(refused) && !alsoAgain(refused)) throw error;
        const wait = Math.max(backoff.next(), refused?.retryAfterMs ?? 0);
        if (performance.now() - began + wait > giveUp) throw error;
        if (stale) {
          renewed = true;
          await client.renew();
        } else await pause(wait, permit.signal);
      }
    }
  }
}

const pathAt = (resource: Resource, name: ObjectName, subresource: Subresource | undefined): string =>
  subresource ? `${pathOf(resource, name)}/${subresource}` : pathOf(resource, name);

/** The server may do tomorrow what it cannot do now. */
const isPassing = ({ code }: ApiError): boolean => code === 429 || code >= 500;

const isConflict = ({ code, reason }: ApiError): boolean => code === 409 && reason === 'Conflict';

const isAbsent = ({ code }: ApiError): boolean => code === 404;

const isThere = ({ reason }: ApiError): boolean => reason === 'AlreadyExists';

const undefinedIf =
  (expected: (error: ApiError) => boolean) =>
  (error: unknown): undefined => {
    if (!(error instanceof ApiError && expected(error))) throw error;
  };
