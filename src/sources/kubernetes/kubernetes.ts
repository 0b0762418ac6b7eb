import type { Logger } from 'pino';
import { apiKind, type Kind, kinds } from '../../config/kinds.ts';
import type { RawObject } from '../../config/raw.ts';
import type { ConfigChange } from '../../config/store.ts';
import type { SecretName } from '../../istio/gateway-secrets.ts';
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

interface SecretWatch {
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
  readonly #secrets = new Map<string, SecretWatch>();
  #wanted: readonly SecretName[] = [];
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
      if (kind === 'MeshConfig' || kind === 'Secret') return [];
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
      const collection = named('ConfigMap', 'configmaps', meshConfigMap);
      watches.push(new ListWatch('MeshConfig', collection, meshConfigSink(emit), this.#context));
    }
    for (const watch of watches) void watch.run(signal);
    emit({ op: 'replace', kind: 'Secret', objects: [] });
    const secrets = this.secrets(this.#wanted);
    return { synced: Promise.all([...watches.map(watch => watch.synced), secrets]).then(() => undefined) };
  }

  /**
   * The Secrets to watch from now on: those that Gateways name. Each has a watch of its own, so that the control plane neither holds nor
   * needs the right to read any other. Resolves when each has been looked up once; a Secret no longer named is emitted as deleted.
   */
  async secrets(names: readonly SecretName[]): Promise<void> {
    this.#wanted = names;
    if (!this.#running) return;
    const { emit, signal } = this.#running;
    const wanted = new Map(names.map(name => [`Secret/${name.namespace}/${name.name}`, name]));
    for (const [key, { stop, watch }] of this.#secrets) {
      if (wanted.has(key)) continue;
      stop.abort();
      watch.forget();
      this.#secrets.delete(key);
      this.#health.removed(key);
    }
    for (const [key, name] of wanted) {
      if (this.#secrets.has(key)) continue;
      const stop = new AbortController();
      const watch = new ListWatch(key, named('Secret', 'secrets', name), partSink('Secret', emit), this.#context);
      this.#secrets.set(key, { watch, stop });
      void watch.run(AbortSignal.any([signal, stop.signal]));
    }
    await Promise.all([...this.#secrets.values()].map(({ watch }) => watch.synced));
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

const named = (kind: string, plural: string, { namespace, name }: SecretName): Collection => ({
  kind,
  group: '',
  versions: ['v1'],
  plural,
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
