import { type Kind, kinds } from '../../config/kinds.ts';
import type { Problem } from '../../config/problem.ts';
import type { ConfigObject, Telemetry } from '../../istio/config.ts';
import { byAge, type ObjectMeta } from '../../istio/object.ts';
import { identify } from '../../model/identify.ts';
import type { MeshModel } from '../../model/mesh.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { each, type LateJson, type LateList, lateCamelJson, Members, pause, toCamelJson } from '../../proto/json.ts';
import type { MessageName } from '../../proto/message.ts';
import type { Json } from '../../unknown.ts';
import { goTime, nullIfEmpty } from './go-json.ts';
import { sortedBy } from './sorted.ts';

/** Istio's kinds with the messages of their specs, in the order of istiod's pages. */
const MESSAGES = {
  AuthorizationPolicy: 'istio.security.v1beta1.AuthorizationPolicy',
  DestinationRule: 'istio.networking.v1alpha3.DestinationRule',
  EnvoyFilter: 'istio.networking.v1alpha3.EnvoyFilter',
  Gateway: 'istio.networking.v1alpha3.Gateway',
  PeerAuthentication: 'istio.security.v1beta1.PeerAuthentication',
  ProxyConfig: 'istio.networking.v1beta1.ProxyConfig',
  RequestAuthentication: 'istio.security.v1beta1.RequestAuthentication',
  ServiceEntry: 'istio.networking.v1alpha3.ServiceEntry',
  Sidecar: 'istio.networking.v1alpha3.Sidecar',
  Telemetry: 'istio.telemetry.v1alpha1.Telemetry',
  VirtualService: 'istio.networking.v1alpha3.VirtualService',
  WorkloadEntry: 'istio.networking.v1alpha3.WorkloadEntry',
  WorkloadGroup: 'istio.networking.v1alpha3.WorkloadGroup',
} as const satisfies { readonly [K in Kind]?: MessageName };

type ShownKind = keyof typeof MESSAGES;
const shownKinds = Object.keys(MESSAGES) as readonly ShownKind[];

type Shown = ConfigObject<ShownKind, object>;

const specJson = ({ kind, spec }: Shown): Json => toCamelJson(MESSAGES[kind], spec as never);

/** The same where it may be long. */
const lateSpec = ({ kind, spec }: Shown): LateJson => lateCamelJson(MESSAGES[kind], spec as never);

/** An object as Kubernetes has it, with what is in force of its spec. */
interface ObjectJson {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: object;
  readonly spec: LateJson;
}

function metadataJson({ name, namespace, labels, annotations, createdAt, resourceVersion }: ObjectMeta): object {
  return {
    name,
    ...(namespace && { namespace }),
    ...(resourceVersion && { resourceVersion }),
    creationTimestamp: createdAt ? goTime(createdAt) : null,
    ...(Object.keys(labels).length && { labels }),
    ...(Object.keys(annotations).length && { annotations }),
  };
}

export function configObject(object: Shown): ObjectJson {
  const { kind, meta } = object;
  const { group, versions } = kinds[kind];
  return { kind, apiVersion: `${group}/${versions[0]}`, metadata: metadataJson(meta), spec: lateSpec(object) };
}

/** Istio's objects in force, in the same order of every replica: /debug/configz. */
export const configs = ({ contents }: MeshModel): LateList => ({
  *[Symbol.iterator]() {
    for (const kind of shownKinds)
      for (const object of sortedBy<Shown>(contents[kind].values(), ({ meta }) => `${meta.namespace}/${meta.name}`))
        yield object === pause ? pause : configObject(object);
  },
});

/** The kinds that are read: /debug/resourcesz. */
export const resourceKinds = (): unknown =>
  shownKinds.map(kind => {
    const { group, versions } = kinds[kind];
    return { group, version: versions[0], kind };
  });

const byNamespace = (objects: Iterable<Shown>): LateJson =>
  Object.fromEntries(
    [...Map.groupBy(objects, ({ meta }) => meta.namespace)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([namespace, list]) => [
        namespace,
        each(list.sort(byAge), object => ({
          name: object.meta.name,
          namespace,
          ...(object.kind === 'AuthorizationPolicy' && {
            annotations: nullIfEmpty(object.meta.annotations),
          }),
          spec: lateSpec(object),
        })),
      ]),
  );

/** /debug/authorizationz */
export const authorizationPolicies = ({ contents, settings }: MeshModel): object => ({
  namespace_to_policies: byNamespace(contents.AuthorizationPolicy.values()),
  root_namespace: settings.rootNamespace,
});

/** /debug/telemetryz */
export const telemetries = ({ contents, settings }: MeshModel): object => ({
  namespace_to_telemetries: byNamespace(contents.Telemetry.values()),
  root_namespace: settings.rootNamespace,
});

/** What Telemetries say for a proxy: the mesh's, its namespace's and its own. */
export function telemetryOf(mesh: MeshModel, proxy: Proxy): object {
  const { telemetries: applied } = identify(mesh, proxy).workload.policies;
  const selecting = ({ spec }: Telemetry): boolean => Boolean(spec.selector ?? spec.targetRefs?.length);
  const { rootNamespace } = mesh.settings;
  const isRoot = (t: Telemetry): boolean => !selecting(t) && t.meta.namespace === rootNamespace;
  const levels = (of: readonly Telemetry[]): object => {
    const named = (found: Telemetry | undefined): object => ({
      Namespace: found?.meta.namespace ?? '',
      Name: found?.meta.name ?? '',
    });
    return {
      Root: named(of.find(isRoot)),
      Proxy: named(of.find(t => !selecting(t) && !isRoot(t))),
      // Of a waypoint's Services.
      Namespace: named(undefined),
      Workload: named(of.find(selecting)),
    };
  };
  const said = (telemetry: Telemetry, field: string): readonly Json[] => {
    const told = specJson(telemetry) as { readonly [name: string]: readonly Json[] | undefined };
    return told[field] ?? [];
  };
  return {
    ...levels(applied),
    Metrics: applied.flatMap(telemetry => said(telemetry, 'metrics')),
    Logging: applied.flatMap(telemetry => {
      const logging = said(telemetry, 'accessLogging');
      return logging.length ? { ...levels([telemetry]), Logging: logging } : [];
    }),
    Tracing: applied.flatMap(telemetry => said(telemetry, 'tracing')),
  };
}

/** The mesh's settings: /debug/mesh. */
export const meshConfig = ({ settings }: MeshModel): LateJson =>
  lateCamelJson('istio.mesh.v1alpha1.MeshConfig', settings.config);

/** istiod counts by metric what is wrong for whom (ProxyStatus); here each problem of an object is one. */
export function pushStatus(problems: Iterable<Problem | typeof pause>): LateJson {
  const said = new Set<string>();
  const entries = function* () {
    for (const problem of problems) {
      const name = problem === pause ? '' : `${problem.object} ${problem.path}`.trim();
      if (problem === pause || said.has(name)) yield pause;
      else {
        said.add(name);
        yield [name, { message: problem.message }] as const;
      }
    }
  };
  const found = entries();
  return new Members(
    (function* () {
      for (const first of found)
        yield first === pause ? pause : (['pilotlight_problems', new Members(behind(first, found))] as const);
    })(),
  );
}

/** What has been read, and the rest. */
function* behind<T>(first: T, rest: Iterable<T>): Generator<T> {
  yield first;
  yield* rest;
}
