import type { DebugRight } from '../../access/caller.ts';
import type { CredentialAccess } from '../../access/credential-access.ts';
import type { Problem } from '../../config/problem.ts';
import type { Restart } from '../../injection/restarts.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import type { pause } from '../../proto/json.ts';
import type { Rounds } from '../../rounds/rounds.ts';
import type { World } from '../../world.ts';
import type { AdsServer } from '../../xds/ads-server.ts';
import type { Connection } from '../../xds/connection.ts';
import type { Answer, PageRequest } from '../page.ts';
import type { WatchState } from '../ready.ts';
import { sortedBy } from './sorted.ts';

/** What the debug pages show. */
export interface DebugView {
  readonly ads: AdsServer<Proxy>;
  readonly world: () => World | undefined;
  readonly rounds: Rounds;
  readonly credentials: CredentialAccess;
  readonly watches: () => readonly WatchState[];
  /** What is wrong with what is no part of the world. */
  readonly otherProblems: () => readonly Problem[];
  /** The templates that pods are injected by, by name; undefined where none are. */
  readonly templates: () => Readonly<Record<string, string>> | undefined;
  /** Pods that would have another sidecar if they were made now: `none` where no pods are injected, `unknown` while it is not known how. */
  readonly restarts: () => readonly Restart[] | 'none' | 'unknown';
}

/** istiod's name of a proxy: `POD.NAMESPACE`. */
export const proxyName = ({ id }: Proxy): string => id.split('~')[2] ?? id;

/** istiod's name of a stream: that of its proxy and a number. */
export const connectionId = ({ client, id }: Connection<Proxy>): string => `${proxyName(client)}-${id}`;

/** The streams that a caller may see: all, or those of the proxies of one namespace. */
export const shownConnections = ({ ads }: DebugView, debug: DebugRight): readonly Connection<Proxy>[] =>
  [...ads.connections].filter(
    ({ client }) => debug.kind === 'all' || (debug.kind === 'namespace' && debug.namespace === client.namespace),
  );

/** Streams by the names of their proxies, sorted while they are read. */
export const byName = (connections: readonly Connection<Proxy>[]): Iterable<Connection<Proxy> | typeof pause> =>
  sortedBy(connections, connectionId);

/**
 * The stream of a proxy by its `POD.NAMESPACE`, pod name or whole id, else, as istiod's, by any part of the stream's own name; the newest where it
 * has several. For who may look at one namespace the others have no proxies.
 */
export function connectionOf(view: DebugView, wanted: string, debug: DebugRight): Connection<Proxy> | undefined {
  const shown = shownConnections(view, debug);
  const named = shown.filter(
    ({ client }) => client.id === wanted || proxyName(client) === wanted || client.name === wanted,
  );
  return named.at(-1) ?? shown.findLast(connection => connectionId(connection).includes(wanted));
}

/** Which istioctl looks for in the bytes of an answer, to ask the next replica. */
export const NOT_CONNECTED = 'Proxy not connected to this Pilot instance. It may be connected to another instance.\n';

/** The stream that `proxyID` names, undefined where nothing is named, or the answer that there is none, which begins with istiod's sentence. */
export function maybeNamed(view: DebugView, { query, debug }: PageRequest): Connection<Proxy> | Answer | undefined {
  const wanted = query.get('proxyID');
  if (!wanted) return undefined;
  return connectionOf(view, wanted, debug) ?? { status: 404, body: `${NOT_CONNECTED}${connectedLine(view, debug)}` };
}

/** So many proxies are named to who names none, or one that is not there. */
const MOST_NAMED = 20;

function connectedLine(view: DebugView, debug: DebugRight): string {
  const names = [...new Set(shownConnections(view, debug).map(({ client }) => proxyName(client)))];
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return `connected: ${names.slice(0, MOST_NAMED).join(', ') || 'none'}${more}\n`;
}

/** The stream that `proxyID` names, or the answer that one must be named, in istiod's words, or that there is none. */
export function named(view: DebugView, request: PageRequest): Connection<Proxy> | Answer {
  const missing = 'You must provide a proxyID in the query string\n';
  return (
    maybeNamed(view, request) ?? {
      status: 400,
      body: `${missing}such as ?proxyID=POD.NAMESPACE; ${connectedLine(view, request.debug)}`,
    }
  );
}

export const isConnection = (found: Connection<Proxy> | Answer): found is Connection<Proxy> => 'client' in found;
