import type { Problem } from './config/problem.ts';
import type { ConfigContents } from './config/store.ts';
import type { MeshOptions } from './istio/settings.ts';
import { memo } from './memo.ts';
import { type Identity, identify } from './model/identify.ts';
import { buildMesh, type MeshModel } from './model/mesh.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import { warmUpProxy } from './model/warm-up-proxy.ts';
import type { Resource } from './translate/resource.ts';
import { type Translation, translate } from './translate/translate.ts';
import {
  emptySet,
  encodeResource,
  type LazySnapshot,
  lazySnapshot,
  type ResourceSet,
  resourceSet,
  type Snapshot,
} from './xds/resource-set.ts';
import { pushOrder, type XdsMessage, type XdsType } from './xds/resource-types.ts';

/** What one proxy is to have, and what was found wrong on the way. */
export interface ProxyWorld {
  readonly translation: Translation;
  readonly snapshot: LazySnapshot;
}

/**
 * The mesh at one moment and what each proxy is to have of it: the pure line from the objects to the encoded resources. A world is built
 * from the one before it, and keeps what did not change.
 */
export class World {
  readonly mesh: MeshModel;
  readonly #previous: WeakMap<object, ProxyWorld>;
  /** What the last proxy of each class was found to have: most often the next one's too. */
  readonly #last = new WeakMap<Proxy['class'], Identity & { readonly made: ProxyWorld }>();

  /** What was made ahead, kept for as long as this world is: what nobody holds is forgotten. */
  prepared: ProxyWorld | undefined;

  constructor(contents: ConfigContents, options: MeshOptions, before?: World) {
    this.mesh = buildMesh(contents, options, before?.mesh);
    this.#previous = before ? before.#previous : new WeakMap();
  }

  /** Everything that is wrong with the objects, whoever sees them. */
  get problems(): readonly Problem[] {
    return allProblems(this.mesh.contents.problems, this.mesh.problems);
  }

  /** Makes what most proxies will ask for before the first one waits for it, and so has the code compiled that makes it. */
  prepare(): void {
    this.prepared = this.of(warmUpProxy(this.mesh));
  }

  /** What `proxy` is to have. Equal proxies get one value; throws only where the program is wrong. */
  of(proxy: Proxy): ProxyWorld {
    const { scope, workload, traits } = identify(this.mesh, proxy);
    const last = this.#last.get(proxy.class);
    if (last?.scope === scope && last.workload === workload && last.traits === traits) return last.made;
    const translation = translate(scope, workload, traits, this.mesh.endpoints, this.mesh.contents.Secret);
    const made = proxyWorld(translation, this.#previous.get(proxy.class));
    this.#previous.set(proxy.class, made);
    this.#last.set(proxy.class, { scope, workload, traits, made });
    return made;
  }
}

const allProblems = memo((ofObjects: ConfigContents['problems'], ofMesh: readonly Problem[]): readonly Problem[] => [
  ...[...ofObjects.values()].flat(),
  ...ofMesh,
]);

const made = new WeakMap<Translation, ProxyWorld>();

function proxyWorld(translation: Translation, previous: ProxyWorld | undefined): ProxyWorld {
  const known = made.get(translation);
  if (known) return known;
  const world = { translation, snapshot: encodeTranslation(translation, previous?.snapshot) };
  made.set(translation, world);
  return world;
}

/** The snapshot for a stream whose other end nobody vouches for: without private keys. All else stays what it is, and as lazy. */
export const withoutSecrets = memo(
  (whole: Snapshot): Snapshot => lazySnapshot({}, type => (type === 'secret' ? emptySet(type) : whole[type])),
);

/** Sets by the list that they were made from: lists are shared by all proxies of a scope, and so are the sets. */
const sets = new WeakMap<readonly unknown[], ResourceSet>();

function setOf<T extends XdsType>(
  type: T,
  list: readonly Resource<XdsMessage<T>>[],
  previous: ResourceSet | undefined,
): ResourceSet {
  const known = sets.get(list);
  if (known) return known;
  const encoded = list.map(({ message, sources }) => encodeResource(type, message, sources));
  const set = resourceSet(type, encoded, previous);
  sets.set(list, set);
  return set;
}

const lists = {
  cluster: 'clusters',
  endpoint: 'endpoints',
  extension: 'extensions',
  listener: 'listeners',
  route: 'routes',
  secret: 'secrets',
  nameTable: 'nameTables',
} as const satisfies Record<XdsType, keyof Translation>;

/** The name table changes with every Service, and few proxies ask for it. All else is made at once: what goes wrong is to show here. */
function encodeTranslation(translation: Translation, previous: LazySnapshot | undefined): LazySnapshot {
  const made = lazySnapshot(previous?.latest ?? {}, (type, before) => setOf(type, translation[lists[type]], before));
  for (const type of pushOrder) if (type !== 'nameTable') void made[type];
  return made;
}
