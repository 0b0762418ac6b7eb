import type { Answer, Entry, Pages } from '../page.ts';
import { configDump, resourcesOf } from './config-dump.ts';
import { problemsOf, withheldFrom } from './problems.ts';
import { syncStatus } from './syncz.ts';
import { type DebugView, each, isConnection, named, sortedConnections } from './view.ts';

const PATH = '/debug/';

/** A page about one proxy, with what it holds of a type. */
const held = (view: DebugView, help: string, types: string): Entry => ({
  help: `?proxyID=POD.NAMESPACE: ${help}`,
  page(request) {
    const found = named(view, request);
    return isConnection(found) ? resourcesOf(found, types) : found;
  },
});

/** The pages below /debug, with an index of them: each shows the mesh, if it does not say otherwise. */
export function debugPages(view: DebugView): Pages {
  const pages: Readonly<Record<string, Entry>> = {
    config_dump: {
      help: "?proxyID=POD.NAMESPACE: what a proxy holds, in the shape of Envoy's /config_dump; &include_eds, &types=cds,lds",
      shows: 'proxy',
      page(request) {
        const found = named(view, request);
        return isConnection(found) ? configDump(found, request.query) : found;
      },
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
        const wanted = sortedConnections(view, debug).filter(
          ({ client }) => !namespace || client.namespace === namespace,
        );
        return { body: each(wanted, connection => syncStatus(connection, withheld(connection.client))) };
      },
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
  const named_ = Object.entries(pages).map(([name, entry]) => [`${PATH}${name}`, entry] as const);
  const index = (): Answer => ({ body: named_.map(([path, { help }]) => `${path.padEnd(22)} ${help}\n`).join('') });
  const all = [...named_, ['/debug', { help: 'These pages', shows: 'proxy', page: index }] as const];
  return Object.fromEntries(all.map(([path, entry]) => [path, { shows: 'mesh' as const, ...entry }]));
}
