import { byKey } from '../../istio/object.ts';
import type { MeshModel } from '../../model/mesh.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { each } from '../../proto/json.ts';
import type { Connection } from '../../xds/connection.ts';
import type { Answer, Entry, PageRequest, Pages } from '../page.ts';
import { configDump, resourcesOf } from './config-dump.ts';
import {
  authorizationPolicies,
  configs,
  meshConfig,
  pushStatus,
  resourceKinds,
  telemetries,
  telemetryOf,
} from './configs.ts';
import { connectionDetails, connectionList } from './connections.ts';
import { htmlIndex } from './html-index.ts';
import { problemsOf, withheldFrom } from './problems.ts';
import { endpointShards, instances, registry, sidecarScope } from './registry.ts';
import { syncStatus } from './syncz.ts';
import { byName, type DebugView, isConnection, maybeNamed, named, shownConnections } from './view.ts';

const PATH = '/debug/';

/** A page about one proxy. */
const ofProxy = (
  view: DebugView,
  help: string,
  make: (connection: Connection<Proxy>, request: PageRequest) => Answer,
): Entry => ({
  help: `?proxyID=POD.NAMESPACE: ${help}`,
  page(request) {
    const found = named(view, request);
    return isConnection(found) ? make(found, request) : found;
  },
});

/** With what a proxy holds of a type. */
const held = (view: DebugView, help: string, types: string): Entry =>
  ofProxy(view, help, connection => resourcesOf(connection, types));

const NO_INJECTION: Answer = { status: 404, body: 'no pods are injected here\n' };
const LISTING: Answer = { status: 503, body: 'not every kind of object has been listed yet\n' };

/** A page that is made of the mesh alone. */
const ofMesh = (view: DebugView, help: string, make: (mesh: MeshModel, request: PageRequest) => unknown): Entry => ({
  help,
  page(request) {
    const mesh = view.world()?.mesh;
    return mesh ? { body: make(mesh, request) } : LISTING;
  },
});

/** What /debug/list names besides the pages, as istiod's does. */
const VARIANTS = ['adsz?push=true', 'cachez?clear=true', 'cachez?sizes=true'];

/** The pages below /debug, with an index of them: each shows the mesh, if it does not say otherwise. */
export function debugPages(view: DebugView): Pages {
  const pages: Readonly<Record<string, Entry>> = {
    config_dump: {
      ...ofProxy(
        view,
        "what a proxy holds, in the shape of Envoy's /config_dump; &include_eds, &types=cds,lds",
        (connection, { query }) => configDump(connection, query),
      ),
      shows: 'proxy',
    },
    ecdsz: held(view, 'the extensions that a proxy holds', 'ecds'),
    edsz: { ...held(view, 'the endpoints that a proxy holds', 'eds'), shows: 'proxy' },
    ndsz: { ...held(view, 'the names that the DNS of a proxy answers', 'nds'), shows: 'proxy' },
    syncz: {
      help: 'What each connected proxy was sent and has acknowledged; why it rejected what, and which credentials it is not given',
      page({ query, debug }) {
        const current = view.world();
        const withheld = current ? withheldFrom(view, current) : () => [];
        const namespace = query.get('namespace');
        const wanted = shownConnections(view, debug).filter(
          ({ client }) => !namespace || client.namespace === namespace,
        );
        return { body: each(byName(wanted), connection => syncStatus(connection, withheld(connection.client))) };
      },
    },
    adsz: {
      help: 'Who is connected, with metadata and what each asks for; ?proxyID=POD.NAMESPACE; ?push=true looks at every proxy anew',
      page(request) {
        if (request.query.get('push')) {
          view.ads.push();
          return { body: `Pushed to ${view.ads.connectionCount} servers\n` };
        }
        const found = maybeNamed(view, request);
        if (found && !isConnection(found)) return found;
        const connections = found ? [found] : shownConnections(view, request.debug);
        return { body: connectionDetails(connections, view.world()?.mesh) };
      },
    },
    connections: {
      help: 'Who is connected, since when, from where',
      page: ({ debug }) => ({ body: connectionList(shownConnections(view, debug)) }),
    },
    registryz: ofMesh(view, 'The Services of the mesh', mesh => registry(mesh)),
    endpointShardz: ofMesh(view, 'The endpoints of each Service', mesh => endpointShards(mesh)),
    endpointz: ofMesh(view, 'endpointShardz by its old name', mesh => endpointShards(mesh)),
    instancesz: ofMesh(view, 'What each proxy serves', (mesh, { debug }) =>
      instances(mesh, shownConnections(view, debug)),
    ),
    sidecarz: ofProxy(view, 'what a proxy may see', ({ client }) => {
      const mesh = view.world()?.mesh;
      return mesh ? { body: sidecarScope(mesh, client) } : LISTING;
    }),
    configz: ofMesh(view, "Istio's objects in force, with what is valid of their specs", mesh => configs(mesh)),
    resourcesz: { help: 'The kinds of objects that are read', page: () => ({ body: resourceKinds() }) },
    authorizationz: ofMesh(view, 'AuthorizationPolicies by namespace', mesh => ({
      authorization_policies: authorizationPolicies(mesh),
    })),
    telemetryz: {
      help: 'Telemetries by namespace; ?proxyID=POD.NAMESPACE: what they say for a proxy',
      page(request) {
        const found = maybeNamed(view, request);
        if (found && !isConnection(found)) return found;
        const mesh = view.world()?.mesh;
        if (!mesh) return LISTING;
        return { body: found ? telemetryOf(mesh, found.client) : { telemetries: telemetries(mesh) } };
      },
    },
    mesh: ofMesh(view, 'The MeshConfig in force', mesh => meshConfig(mesh)),
    push_status: {
      help: "What is wrong with the objects, in the shape of istiod's push status",
      page: () => ({ body: pushStatus(problemsOf(view)) }),
    },
    pushcontext: ofMesh(view, 'AuthorizationPolicies and gateways between networks, of which there are none', mesh => ({
      AuthorizationPolicies: authorizationPolicies(mesh),
      NetworkGateways: null,
      UnresolvedGateways: null,
    })),
    clusterz: ofMesh(view, 'The cluster that the objects are of: one', mesh => [
      { id: mesh.settings.clusterId, secretName: '', syncStatus: 'synced' },
    ]),
    inject: {
      help: 'The templates that pods are injected by, and where each is from',
      page() {
        const templates = view.templates();
        return templates ? { body: templates } : NO_INJECTION;
      },
    },
    injection: {
      help: 'Pods that should have a sidecar and have none, or one of another revision or image, with the command that mends each',
      page() {
        const restarts = view.restarts();
        if (restarts === 'none') return NO_INJECTION;
        return restarts === 'unknown' ? LISTING : { body: restarts };
      },
    },
    networkz: { help: 'Gateways between networks, of which there are none', page: () => ({ body: null }) },
    mcsz: { help: 'Services of several clusters, of which there are none', page: () => ({ body: null }) },
    ambientz: {
      help: 'What ztunnel and waypoints get, which are not served',
      page: () => ({ body: { workloads: null, services: null, policies: null } }),
    },
    cachez: {
      help: 'There is no cache to look into: what is made is kept for as long as what it is made from',
      page({ query }) {
        if (query.get('clear')) return { body: 'There is no cache to clear\n' };
        return { body: query.get('sizes') ? { total: '0B' } : {} };
      },
    },
    krtz: {
      help: "istiod's own engine, which there is not: see stages",
      page: () => ({
        status: 404,
        body: 'krt is the engine of istiod; /debug/stages shows how the mesh is made here\n',
      }),
    },
    stages: {
      help: 'The stages that the mesh is made in: what each reads, what of that had changed, and what it cost',
      page: () => ({ body: each(view.world()?.mesh.stages.runs ?? [], run => run) }),
    },
    rounds: {
      help: 'How changes share rounds of pushes: rounds, changes, what waits, what the last round cost',
      page: () => ({ body: view.rounds.status() }),
    },
    problems: {
      help: 'What is wrong with the objects: object, field, reason',
      page: () => ({ body: problemsOf(view) }),
    },
  };
  const list = (): Answer => ({ body: [...Object.keys(pages), ...VARIANTS].sort() });
  const paths = Object.entries({ ...pages, list: { help: 'The names of these pages', page: list } })
    .sort(byKey)
    .map(([name, entry]) => [`${PATH}${name}`, entry] as const);
  const index = ({ peer }: PageRequest): Answer => {
    const isBrowser = peer.header('accept').some(types => types.includes('text/html'));
    if (isBrowser) return { type: 'text/html; charset=utf-8', body: htmlIndex(paths) };
    return { body: paths.map(([path, { help }]) => `${path.padEnd(22)} ${help}\n`).join('') };
  };
  const all = [...paths, ['/debug', { help: 'These pages', shows: 'proxy', page: index }] as const];
  return Object.fromEntries(all.map(([path, entry]) => [path, { shows: 'mesh' as const, ...entry }]));
}
