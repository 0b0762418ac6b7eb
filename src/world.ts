import type { Problem } from './config/problem.ts';
import type { ConfigContents } from './config/store.ts';
import type { MeshOptions } from './istio/settings.ts';
import { memo, oneList } from './memo.ts';
import { converted } from './model/conversions.ts';
import { type Identity, identify } from './model/identify.ts';
import { buildingMesh, buildMesh, type MeshModel } from './model/mesh.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import { warmUpProxy } from './model/warm-up-proxy.ts';
import type { Resource } from './translate/resource.ts';
import { type Translation, translate } from './translate/translate.ts';
import { encodeResource, joinedSet, type Part, part, type ResourceSet, type Snapshot } from './xds/resource-set.ts';
import type { XdsMessage, XdsType } from './xds/resource-types.ts';

/** For what stages of the mesh cost. */
const now = (): number => performance.now();

/** What one proxy is to have, and what was found wrong on the way. */
export interface ProxyWorld {
  readonly translation: Translation;
  readonly snapshot: Snapshot;
}

/** What proxies of a class were last found to have, most often the next one's too. */
interface Last {
  readonly identity: Identity;
  /** Stands for the world that it was made in. */
  readonly moment: object;
  readonly made: ProxyWorld;
}

/**
 * The mesh at one moment and what each proxy is to have of it: the pure line from the objects to the encoded resources. A world is built
 * from the one before it, and keeps what did not change.
 */
export class World {
  readonly mesh: MeshModel;
  readonly #last: WeakMap<Proxy['class'], Last>;
  readonly #made = memo((identity: Identity, previous: ProxyWorld | undefined): ProxyWorld => {
    const translation = translate(identity, this.mesh);
    return { translation, snapshot: encoded(translation, previous?.snapshot) };
  }, 1);
  readonly #moment = {};

  /** What was made ahead, kept for as long as this world is: what nobody holds is forgotten. */
  prepared: ProxyWorld | undefined;

  constructor(
    contents: ConfigContents,
    options: MeshOptions,
    before?: World,
    mesh = buildMesh(converted(contents), options, before?.mesh, now),
  ) {
    this.mesh = mesh;
    this.#last = before ? before.#last : new WeakMap();
  }

  /** The same in slices: yields between them. */
  static *building(contents: ConfigContents, options: MeshOptions, before?: World): Generator<undefined, World> {
    return new World(contents, options, before, yield* buildingMesh(converted(contents), options, before?.mesh, now));
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
    const identity = identify(this.mesh, proxy);
    const last = this.#last.get(proxy.class);
    if (last?.moment === this.#moment && last.identity === identity) return last.made;
    const made = this.#made(identity, last?.made);
    this.#last.set(proxy.class, { identity, moment: this.#moment, made });
    return made;
  }

  /** What proxies of the same class were last found to have, in this world or one before it. */
  last(proxy: Proxy): ProxyWorld | undefined {
    return this.#last.get(proxy.class)?.made;
  }
}

const allProblems = memo((ofObjects: ConfigContents['problems'], ofMesh: readonly Problem[]): readonly Problem[] => [
  ...[...ofObjects.values()].flat(),
  ...ofMesh,
]);

type EncodedType = keyof Translation['configuration'] & XdsType;
type Sets = Pick<Snapshot, EncodedType | 'endpoint'>;

/** The sets of a proxy; that of its name table is made when it is asked for. */
class ProxySnapshot implements Snapshot {
  readonly cluster: ResourceSet;
  readonly endpoint: ResourceSet;
  readonly secret: ResourceSet;
  readonly extension: ResourceSet;
  readonly listener: ResourceSet;
  readonly route: ResourceSet;
  readonly trustBundle: ResourceSet;
  readonly #table: () => ResourceSet;
  #nameTable: ResourceSet | undefined;

  constructor(
    { cluster, endpoint, secret, extension, listener, route, trustBundle }: Sets,
    nameTable: () => ResourceSet,
  ) {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.secret = secret;
    this.extension = extension;
    this.listener = listener;
    this.route = route;
    this.trustBundle = trustBundle;
    this.#table = nameTable;
  }

  get nameTable(): ResourceSet {
    this.#nameTable ??= this.#table();
    return this.#nameTable;
  }
}

/** Which credentials a stream is given: none, those that every proxy of its namespace may have, or also those of accounts that may read Secrets. */
export type CredentialLevel = 'none' | 'namespace' | 'readers';

const levels: readonly CredentialLevel[] = ['none', 'namespace', 'readers'];

/** The snapshot with no other credentials than those. All else stays what it is. */
export const withCredentials = (whole: Snapshot, level: CredentialLevel): Snapshot =>
  level === 'readers' || whole.secret.size === 0 ? whole : withFewerCredentials(whole, level);

const withFewerCredentials = memo((whole: Snapshot, level: CredentialLevel): Snapshot => {
  const parts = whole.secret.parts.slice(0, levels.indexOf(level));
  return new ProxySnapshot({ ...whole, secret: joinedSet('secret', parts) }, () => whole.nameTable);
});

const secretsOf = memo(
  (others: ResourceSet, roots: Part, own: Part): ResourceSet => joinedSet('secret', [...others.parts, roots, own]),
);

/** The snapshot for a stream that gets its certificate from here: with it and the roots that it is to trust. */
export const withWorkloadSecrets = memo(
  (whole: Snapshot, roots: Part, own: Part): Snapshot =>
    new ProxySnapshot({ ...whole, secret: secretsOf(whole.secret, roots, own) }, () => whole.nameTable),
);

/** Proxies that see the same share the part of a list; where little changed, most of it is the part that was `previous`. */
const partOf = memo(
  (list: readonly Resource<XdsMessage<XdsType>>[], type: XdsType, previous: Part | undefined): Part => {
    const encoded = list.map(({ message, sources }) => encodeResource(type, message, sources));
    return partOfEncoded(oneList(encoded), previous);
  },
  1,
);
const partOfEncoded = memo(part, 1);

const setOf = <T extends XdsType>(
  type: T,
  lists: readonly (readonly Resource<XdsMessage<T>>[])[],
  previous: ResourceSet | undefined,
): ResourceSet =>
  joinedSet(
    type,
    lists.map((list, i) => partOf(list, type, previous?.parts[i])),
    previous,
  );

/** The sets of what does not depend on all endpoints. */
const setsOf = memo(
  (configuration: Translation['configuration'], previous: Snapshot | undefined): Pick<Snapshot, EncodedType> => ({
    cluster: setOf('cluster', configuration.cluster, previous?.cluster),
    secret: setOf('secret', configuration.secret, previous?.secret),
    extension: setOf('extension', configuration.extension, previous?.extension),
    listener: setOf('listener', configuration.listener, previous?.listener),
    route: setOf('route', configuration.route, previous?.route),
    trustBundle: setOf('trustBundle', configuration.trustBundle, previous?.trustBundle),
  }),
  1,
);

function encoded(translation: Translation, previous: Snapshot | undefined): Snapshot {
  const endpoint = setOf('endpoint', [translation.endpoints], previous?.endpoint);
  return new ProxySnapshot({ ...setsOf(translation.configuration, previous), endpoint }, () =>
    setOf('nameTable', [translation.nameTables], undefined),
  );
}
