import type { RawObject } from '../config/raw.ts';
import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import { pause } from '../kubernetes/backoff.ts';
import type { Resource } from '../kubernetes/object.ts';
import { type Permit, PermitError, type Writer } from '../kubernetes/writer.ts';
import { Bell } from './bell.ts';
import type { Cluster } from './cluster.ts';

const CONFIG_MAPS: Resource = { apiVersion: 'v1', plural: 'configmaps' };

/** The ConfigMap that pods mount, as istiod writes it: pilot-agent trusts a control plane whose certificate comes from its roots. */
export const rootCertificates = {
  name: 'istio-ca-root-cert',
  field: 'root-cert.pem',
  labels: { 'istio.io/config': 'true' },
} as const;

/** Milliseconds. */
const times = {
  /** From one write to the next: 50 a second, so that a mesh of 5,000 namespaces is no storm. */
  apart: 20,
  /** After a write that failed. */
  afterFailure: 1_000,
  /** Of one namespace, from a write that failed to the next. */
  again: 10_000,
  /** Who writes the same object again and again is let do so for so long in between, at last. */
  longestTruce: 60_000,
  /** Since the last write; then the next one counts as the first again. */
  quiet: 300_000,
} as const;

/** So many writes of a namespace in a row follow at once what somebody else did. */
const AT_ONCE = 3;

/** Writes of one namespace that came close together. */
interface Writes {
  readonly count: number;
  readonly last: number;
}

/** Keeps `istio-ca-root-cert` as it is to be in every namespace, also where somebody else changes or deletes it. For the leader alone. */
export class RootCertificates {
  readonly #cluster: Cluster;
  #bundle: string;
  readonly #namespaces = new Set<string>();
  readonly #right = new Set<string>();
  /** Namespaces whose ConfigMap is to be written. */
  readonly #owed = new Set<string>();
  /** The version that was written last, until the watch has come so far. */
  readonly #written = new Map<string, string>();
  readonly #writes = new Map<string, Writes>();
  readonly #notBefore = new Map<string, number>();
  #listed = false;
  readonly #bell = new Bell();

  constructor(cluster: Cluster, bundle: string) {
    this.#cluster = cluster;
    this.#bundle = bundle;
  }

  /** Namespaces that do not have the roots yet; undefined while that is not known. */
  get owed(): ReadonlySet<string> | undefined {
    return this.#listed ? this.#owed : undefined;
  }

  /** From now on these roots, as one PEM text, are to be in every namespace. */
  replace(bundle: string): void {
    if (bundle === this.#bundle) return;
    this.#bundle = bundle;
    this.#right.clear();
    this.#writes.clear();
    for (const namespace of this.#namespaces) this.#look(namespace);
  }

  /** Writes for as long as the term lasts. */
  async run(term: Permit): Promise<void> {
    const writer = this.#cluster.writer(term);
    const ended = new Promise<void>(resolve => {
      if (term.signal.aborted) resolve();
      else term.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // A term may end before anything could be listed.
    await Promise.race([this.#follow(term.signal), ended]);
    this.#listed = term.held();
    while (term.held()) {
      const now = this.#cluster.clock.now();
      let soonest: number = times.longestTruce;
      let next: string | undefined;
      for (const namespace of this.#owed) {
        const wait = this.#due(namespace) - now;
        if (wait <= 0) {
          next = namespace;
          break;
        }
        soonest = Math.min(soonest, wait);
      }
      if (next !== undefined) await pause(await this.#write(next, writer), term.signal);
      else await this.#bell.wait(soonest, term.signal);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const core = { group: '', versions: ['v1'] };
    const { name } = rootCertificates;
    const configMap = (object: RawObject): void => this.#seen(object);
    const namespace = ({ metadata }: RawObject): void => {
      this.#namespaces.add(metadata.name);
      this.#look(metadata.name);
    };
    await Promise.all([
      this.#cluster.follow(
        `ConfigMap/${name}`,
        { ...core, kind: 'ConfigMap', plural: 'configmaps', fieldSelector: `metadata.name=${name}` },
        {
          listed: objects => objects.forEach(configMap),
          changed: configMap,
          gone: of => {
            this.#right.delete(of);
            this.#look(of);
          },
        },
        signal,
      ),
      this.#cluster.follow(
        'Namespace of the CA',
        { ...core, kind: 'Namespace', plural: 'namespaces' },
        {
          listed: objects => objects.forEach(namespace),
          changed: namespace,
          gone: (_, of) => this.#forget(of),
        },
        signal,
      ),
    ]);
  }

  #seen({ metadata, data }: RawObject): void {
    const { namespace = '', labels, resourceVersion = '' } = metadata;
    const written = this.#written.get(namespace);
    if (written !== undefined) {
      if (isOlder(resourceVersion, written)) return;
      this.#written.delete(namespace);
    }
    const { field, labels: wanted } = rootCertificates;
    const text = (data as Readonly<Record<string, unknown>> | undefined)?.[field];
    const isRight =
      typeof text === 'string' &&
      isSamePem(text, this.#bundle) &&
      Object.entries(wanted).every(([label, value]) => labels?.[label] === value);
    this.#right[isRight ? 'add' : 'delete'](namespace);
    this.#look(namespace);
  }

  #look(namespace: string): void {
    if (!this.#namespaces.has(namespace) || this.#right.has(namespace)) this.#owed.delete(namespace);
    else {
      this.#owed.add(namespace);
      this.#bell.ring();
    }
  }

  #forget(namespace: string): void {
    this.#namespaces.delete(namespace);
    for (const kept of [this.#right, this.#owed, this.#written, this.#writes, this.#notBefore]) kept.delete(namespace);
  }

  /** When a namespace may be written, in milliseconds since 1970: later each time where somebody else does not leave it alone. */
  #due(namespace: string): number {
    const { count, last } = this.#writes.get(namespace) ?? { count: 0, last: 0 };
    const truce = count < AT_ONCE ? 0 : Math.min(times.longestTruce, 1_000 * 2 ** (count - AT_ONCE));
    return Math.max(last + truce, this.#notBefore.get(namespace) ?? 0);
  }

  /** Writes one namespace's; gives the milliseconds to wait before the next. */
  async #write(namespace: string, writer: Writer): Promise<number> {
    const { clock, log } = this.#cluster;
    const { name, field, labels } = rootCertificates;
    const bundle = this.#bundle;
    const metadata = { name, namespace, labels };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [field]: bundle } };
    try {
      const { resourceVersion = '' } = (await writer.apply(CONFIG_MAPS, object)).metadata;
      this.#notBefore.delete(namespace);
      this.#written.set(namespace, resourceVersion);
      if (bundle === this.#bundle) this.#right.add(namespace);
      this.#look(namespace);
      this.#count(namespace);
      return times.apart;
    } catch (error) {
      if (error instanceof PermitError) throw error;
      if (isGone(error)) {
        this.#owed.delete(namespace);
        return times.apart;
      }
      const failing = this.#notBefore.size;
      this.#notBefore.set(namespace, clock.now() + times.again);
      const what = `the roots of the mesh cannot be written to a namespace; pods there that are new cannot start`;
      if (!failing) log.error({ configMap: `${namespace}/${name}`, err: failureLine(error) }, what);
      return times.afterFailure;
    }
  }

  #count(namespace: string): void {
    const { clock, log } = this.#cluster;
    const now = clock.now();
    const before = this.#writes.get(namespace);
    const count = before && now - before.last < times.quiet ? before.count + 1 : 1;
    this.#writes.set(namespace, { count, last: now });
    const what =
      'somebody else changes the roots of the mesh again and again; they are written again less and less often';
    if (count === AT_ONCE + 1) log.warn({ configMap: `${namespace}/${rootCertificates.name}` }, what);
  }
}

/** Whether two PEM texts say the same: an istiod beside may end its lines otherwise, and is to be left alone. */
const isSamePem = (a: string, b: string): boolean => a === b || a.replaceAll(/\s/g, '') === b.replaceAll(/\s/g, '');

/** Whether a version of an object is from before another: they are numbers that grow (Kubernetes: KEP-5504). */
const isOlder = (version: string, than: string): boolean =>
  version.length === than.length ? version < than : version.length < than.length;

/** The namespace is not there any more, or is on its way out and takes nothing new. */
const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || /because it is being terminated/.test(error.message));
