import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Kind, type KindRow, kindNames, kindOf, kinds } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { isFields, member, members } from '../support/json.ts';

/** Just enough of a client for the lab's API server: it is on this machine and its certificate is its own. */
export class ApiServer {
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #url: URL;
  readonly #token: string;

  /** `folder` is where `up.sh` left the kubeconfig. */
  constructor(folder: string) {
    const config: unknown = parse(readFileSync(join(folder, 'kubeconfig'), 'utf8'));
    const [cluster] = members(member(config, 'clusters'));
    const [user] = members(member(config, 'users'));
    this.#url = new URL(String(member(member(cluster, 'cluster'), 'server')));
    this.#token = String(member(member(user, 'user'), 'token'));
  }

  /** Server-side apply. Rejects with the API server's words where it refuses. */
  async apply(object: RawObject): Promise<void> {
    const path = `${pathOf(object)}?fieldManager=conformance&force=true`;
    await this.#call('PATCH', path, JSON.stringify(object), 'application/apply-patch+yaml');
  }

  /** Deletes at once; what is gone already is fine. */
  async delete(object: RawObject): Promise<void> {
    await this.#call('DELETE', `${pathOf(object)}?gracePeriodSeconds=0`, undefined, 'application/json', [404]);
  }

  /** Every object of the kinds that are read, in all namespaces. Endpoints are only what Kubernetes mirrors of EndpointSlices. */
  async objects(): Promise<readonly RawObject[]> {
    const listed = kindNames.filter(kind => kind !== 'MeshConfig' && kind !== 'Endpoints');
    const lists = await Promise.all(listed.map(kind => this.#list(kind)));
    return lists.flat();
  }

  close(): void {
    this.#agent.destroy();
  }

  async #list(kind: Kind): Promise<readonly RawObject[]> {
    const row: KindRow<Kind> = kinds[kind];
    const apiVersion = versionOf(row);
    const list: unknown = JSON.parse(await this.#call('GET', `${prefixOf(apiVersion)}/${row.plural}`));
    return members(member(list, 'items')).flatMap(item => {
      const metadata = item['metadata'];
      if (!isFields(metadata) || typeof metadata['name'] !== 'string') return [];
      const { managedFields: _, ...kept } = metadata;
      // Lists leave out what all items have in common.
      return [{ ...item, apiVersion, kind, metadata: { ...kept, name: metadata['name'] } } as RawObject];
    });
  }

  #call(
    method: string,
    path: string,
    body?: string,
    type = 'application/json',
    alsoFine: readonly number[] = [],
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}`, 'content-type': type, accept: 'application/json' };
      const call = request(new URL(path, this.#url), { method, headers, agent: this.#agent }, response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status < 300 || alsoFine.includes(status)) resolve(text);
          else reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 2000)}`));
        });
      });
      call.on('error', reject);
      call.end(body);
    });
  }
}

const versionOf = ({ group, versions }: KindRow<Kind>): string =>
  group ? `${group}/${versions[0]}` : `${versions[0]}`;

const prefixOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

function pathOf(object: RawObject): string {
  const kind = kindOf(object);
  if (!kind) throw new Error(`${object.apiVersion} ${object.kind} is not a kind that is read`);
  const { plural, namespaced } = kinds[kind];
  const namespace = namespaced ? `/namespaces/${object.metadata.namespace ?? 'default'}` : '';
  return `${prefixOf(object.apiVersion)}${namespace}/${plural}/${object.metadata.name}`;
}
