import { parseAllDocuments } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import { ApiServer, istioCrds } from '../kubernetes/api-server.ts';
import { resourceOf } from '../kubernetes/objects.ts';
import type { Source } from './target.ts';

const apply = async (api: ApiClient, object: RawObject): Promise<void> =>
  void (await api.json(`${resourceOf(object)}/${object.metadata.name}`, {
    method: 'PATCH',
    query: { fieldManager: 'test', force: 'true' },
    contentType: 'application/apply-patch+yaml',
    body: object,
  }));

/** The API server gives addresses out itself. */
const withoutClusterIp = (object: RawObject): RawObject => {
  if (object.kind !== 'Service') return object;
  const { clusterIP: _, clusterIPs: __, ...spec } = object['spec'] as Readonly<Record<string, unknown>>;
  return { ...object, spec };
};

/** A real API server with Istio's CRDs, for one control plane after the other. */
export class Cluster implements AsyncDisposable {
  readonly #server: ApiServer;
  readonly #api: ApiClient;
  readonly #kubeconfig: string;

  private constructor(server: ApiServer, api: ApiClient, kubeconfig: string) {
    this.#server = server;
    this.#api = api;
    this.#kubeconfig = kubeconfig;
  }

  static async start(): Promise<Cluster> {
    const server = await ApiServer.start();
    const api = await server.client();
    for (const document of parseAllDocuments(await istioCrds())) {
      const crd = document.toJS() as RawObject | null;
      if (crd) await apply(api, crd);
    }
    await apply(api, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'load' } });
    return new Cluster(server, api, await server.kubeconfig({ token: 'admintoken' }));
  }

  /** Brings a mesh's objects into it. */
  async holding(objects: readonly RawObject[]): Promise<Source> {
    const left = objects.map(withoutClusterIp);
    const worker = async (): Promise<void> => {
      for (let object = left.pop(); object; object = left.pop()) await apply(this.#api, object);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return {
      name: this.#kubeconfig,
      args: ['--kubeconfig', this.#kubeconfig, '--tls-address', ''],
      change: object => apply(this.#api, object),
      close: () => {},
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }
}
