import type { Arguments } from '../command.ts';
import { inRevision } from '../istio/revision.ts';
import type { ApiClient } from '../kubernetes/api-client.ts';
import { ApiError } from '../kubernetes/api-error.ts';
import { readMeshOptions } from '../settings/settings.ts';
import { fieldsOf, type JsonObject, listOf, textOf } from '../unknown.ts';
import { connect, requestError } from './cluster.ts';

/** What a cluster says of injection, as texts. */
export interface ClusterSettings {
  readonly mesh: string | undefined;
  readonly values: string | undefined;
  readonly config: string | undefined;
  /** Versions of the nodes' kubelets. */
  readonly kubelets: readonly string[];
}

/** What does where no cluster says the settings. */
export const OFFLINE = 'without one, give --mesh-config FILE (an empty file for the defaults)';

/** Reads the ConfigMaps of Istio's names and the nodes' versions from the cluster of the kubeconfig. Throws a UsageError. */
export async function clusterSettings(args: Arguments): Promise<ClusterSettings> {
  const nothing = `there is no cluster whose settings could be read; ${OFFLINE}, or --kubeconfig FILE`;
  return settingsFrom(await connect(args, nothing), args);
}

/** The same by a client that is there already. */
export async function settingsFrom(client: ApiClient, args: Arguments): Promise<ClusterSettings> {
  const { revision = '' } = args.options;
  const { rootNamespace } = readMeshOptions(args);
  const get = async (path: string): Promise<unknown> =>
    client.json(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw requestError(client, path, error);
    });
  const map = async (name: string): Promise<JsonObject> => {
    const object = await get(`/api/v1/namespaces/${rootNamespace}/configmaps/${inRevision(name, revision)}`);
    return fieldsOf(fieldsOf(object)['data']);
  };
  const [mesh, injector, nodes] = await Promise.all([
    map('istio'),
    map('istio-sidecar-injector'),
    get('/api/v1/nodes?limit=5000'),
  ]);
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return {
    mesh: text(mesh['mesh']),
    values: text(injector['values']),
    config: text(injector['config']),
    kubelets: kubeletsOf(nodes),
  };
}

/** A server that is none of Kubernetes says 404 without that word. */
const isMissing = (error: unknown): boolean => error instanceof ApiError && error.reason === 'NotFound';

const kubeletsOf = (list: unknown): readonly string[] =>
  listOf(fieldsOf(list)['items']).map(node =>
    textOf(fieldsOf(fieldsOf(fieldsOf(node)['status'])['nodeInfo'])['kubeletVersion']),
  );
