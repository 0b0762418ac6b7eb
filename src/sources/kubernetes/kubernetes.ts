import type { Logger } from 'pino';
import { apiKind, type Kind, kinds } from '../../config/kinds.ts';
import type { RawObject } from '../../config/raw.ts';
import type { ConfigChange } from '../../config/store.ts';
import type { NamedObject } from '../../istio/credentials.ts';
import type { ApiClient } from '../../kubernetes/api-client.ts';
import type { ConfigSource } from '../source.ts';
import type { Collection } from './collection.ts';
import { Discovery } from './discovery.ts';
import { ListWatch, type ListWatchContext, type ListWatchSink } from './list-watch.ts';
import { DEFAULT_TIMING, type Timing } from './timing.ts';
import { WatchHealth, type WatchStatus } from './watch-health.ts';

/** What to watch, and where. */
export interface KubernetesSourceOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  /** The ConfigMap whose key `mesh` holds the mesh's settings; none when they come from elsewhere. */
  readonly meshConfigMap?: { readonly namespace: string; readonly name: string } | undefined;
  readonly timing?: Partial<Timing>;
}

interface NamedWatch {
  readonly watch: ListWatch;
  readonly stop: AbortController;
}

type Emit = (change: ConfigChange) => void;

// The endpoints controllers put this label on what they write themselves, and an EndpointSlice beside it. What lacks it was made by hand;
// where the mirroring controller runs that has a slice, too, which the model prefers.
const HAND_MADE_ENDPOINTS = 'endpointslice.kubernetes.io/skip-mirror!=true';

/**
 * A Kubernetes API server as the source of objects. Each kind is listed and watched by itself; the first list of a kind is a `replace`,
 * afterwards only what changed is emitted, whatever happens to the connection. A kind whose CRD is missing counts as empty until it is
 * installed; a kind that may not be read (403) keeps `synced` waiting, because an emptier world would be served without it.
 */
export class KubernetesSource implements ConfigSource {
  readonly name = 'kubernetes';
  readonly #options: KubernetesSourceOptions;
  readonly #context: ListWatchContext;
  readonly #health: WatchHealth;
  readonly #named = new Map<string, NamedWatch>();
  #wanted: readonly NamedObject[] = [];
  #running: { readonly emit: Emit; readonly signal: AbortSignal } | undefined;

  constructor(options: KubernetesSourceOptions) {
    const timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#options = options;
    this.#health = new WatchHealth(options.log);
    this.#context = {
      client: options.client,
      discovery: new Discovery(options.client, timing.absentMs / 2),
      health: this.#health,
      timing,
    };
  }

  run(emit: Emit, signal: AbortSignal): { readonly synced: Promise<void> } {
    this.#running = { emit, signal };
    const watches = Object.values(kinds).flatMap(({ kind, group, versions, plural }) => {
      if (kind === 'MeshConfig' || isReadByName(kind)) return [];
      const collection = {
        kind: apiKind(kind),
        group,
        versions,
        plural,
        ...(kind === 'Endpoints' && { labelSelector: HAND_MADE_ENDPOINTS }),
      };
      return [new ListWatch(kind, collection, kindSink(kind, emit), this.#context)];
    });
    const { meshConfigMap } = this.#options;
    if (meshConfigMap) {
      const collection = named({ kind: 'ConfigMap', ...meshConfigMap });
      watches.push(new ListWatch('MeshConfig', collection, meshConfigSink(emit), this.#context));
    }
    for (const watch of watches) void watch.run(signal);
    for (const kind of readByName) emit({ op: 'replace', kind, objects: [] });
    // None of those that are read by their names is waited for: one that may not be read must not keep the mesh from being served.
    void this.followNamed(this.#wanted);
    return { synced: Promise.all(watches.map(watch => watch.synced)).then(() => undefined) };
  }

  /**
   * The Secrets and ConfigMaps to watch from now on. Each has a watch of its own, so that the control plane neither holds nor needs the right to
   * read any other. Resolves when each has been looked up once; what is no longer named is emitted as deleted.
   */
  async followNamed(names: readonly NamedObject[]): Promise<void> {
    this.#wanted = names;
    if (!this.#running) return;
    const { emit, signal } = this.#running;
    const wanted = new Map(names.map(name => [watchName(name), name]));
    for (const [key, { stop, watch }] of this.#named) {
      if (wanted.has(key)) continue;
      stop.abort();
      watch.forget();
      this.#named.delete(key);
      this.#health.removed(key);
    }
    for (const [key, name] of wanted) {
      if (this.#named.has(key)) continue;
      const stop = new AbortController();
      const watch = new ListWatch(key, named(name), partSink(name.kind, emit), this.#context);
      this.#named.set(key, { watch, stop });
      void watch.run(AbortSignal.any([signal, stop.signal]));
    }
    await Promise.all([...this.#named.values()].map(({ watch }) => watch.synced));
  }

  /** Follows what is no object of the mesh until `signal` aborts; `title` names it among the watches. Resolves once it has been listed. */
  follow(title: string, collection: Collection, sink: ListWatchSink, signal: AbortSignal): Promise<void> {
    const watch = new ListWatch(title, collection, sink, this.#context);
    void watch.run(signal).then(() => this.#health.removed(title));
    return watch.synced;
  }

  /** How each watch is doing, by name; for readiness, metrics and debug pages. */
  status(): readonly WatchStatus[] {
    return this.#health.statuses();
  }
}

/** Kinds of which only objects that something names are read. */
const readByName: readonly NamedObject['kind'][] = ['Secret', 'ConfigMap'];
const isReadByName = (kind: Kind): boolean => readByName.some(named => named === kind);

/** What the watch of an object is called in `status()`. */
export const watchName = ({ kind, namespace, name }: NamedObject): string => `${kind}/${namespace}/${name}`;

const named = ({ kind, namespace, name }: NamedObject): Collection => ({
  kind,
  group: '',
  versions: kinds[kind].versions,
  plural: kinds[kind].plural,
  namespace,
  fieldSelector: `metadata.name=${name}`,
});

const kindSink = (kind: Kind, emit: Emit): ListWatchSink => ({
  ...partSink(kind, emit),
  listed: objects => emit({ op: 'replace', kind, objects }),
});

// A part of a kind: what others have told of it stays.
const partSink = (kind: Kind, emit: Emit): ListWatchSink => ({
  listed: objects => {
    for (const object of objects) emit({ op: 'upsert', object });
  },
  changed: object => emit({ op: 'upsert', object }),
  gone: (namespace, name) => emit({ op: 'delete', kind, namespace, name }),
});

const meshConfigSink = (emit: Emit): ListWatchSink => ({
  listed: objects => emit({ op: 'replace', kind: 'MeshConfig', objects: objects.map(meshConfig) }),
  changed: object => emit({ op: 'upsert', object: meshConfig(object) }),
  gone: () => emit({ op: 'replace', kind: 'MeshConfig', objects: [] }),
});

/** The mesh's settings as an object of their own; the text in `data.mesh` is read with the object. */
const meshConfig = (configMap: RawObject): RawObject => ({
  ...configMap,
  kind: 'MeshConfig',
  metadata: { ...configMap.metadata, name: 'istio', namespace: undefined },
});
