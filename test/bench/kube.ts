import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get, request } from 'node:https';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';

/** A kubeconfig as the lab writes it: one cluster, one user with a token. */
interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
  readonly users: readonly { readonly user: { readonly token: string } }[];
}

/** The lab's API server, with no more around it than a benchmark needs. */
export class LabApi {
  readonly #server: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(kubeconfig: string) {
    const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
    this.#server = clusters[0]?.cluster.server ?? '';
    this.#headers = { authorization: `Bearer ${users[0]?.user.token ?? ''}` };
  }

  /** Calls `onLine` with every watch event from now on, as text. */
  async watch(path: string, onLine: (line: string) => void): Promise<void> {
    const { resourceVersion } = (await this.#call('GET', `${path}?limit=1`)) as { readonly resourceVersion: string };
    const url = `${this.#server}${path}?watch=1&resourceVersion=${resourceVersion}`;
    get(url, { headers: this.#headers, rejectUnauthorized: false }, response =>
      createInterface(response).on('line', onLine),
    );
  }

  /** Makes an object, or replaces its spec. */
  async apply(path: string, name: string, object: unknown): Promise<void> {
    await this.#call('PATCH', `${path}/${name}?fieldManager=bench&force=true`, object);
  }

  async list(path: string): Promise<readonly string[]> {
    const { names } = await this.#call('GET', path);
    return names;
  }

  async delete(path: string): Promise<void> {
    await this.#call('DELETE', path);
  }

  #call(method: string, path: string, body?: unknown): Promise<{ resourceVersion: string; names: readonly string[] }> {
    const headers = { ...this.#headers, ...(body !== undefined && { 'content-type': 'application/apply-patch+yaml' }) };
    return new Promise((resolve, reject) => {
      const call = request(
        `${this.#server}${path}`,
        { method, headers, rejectUnauthorized: false },
        response =>
          void textOf(response).then(text => {
            if ((response.statusCode ?? 500) >= 300) return reject(new Error(`${method} ${path}: ${text}`));
            const { metadata, items = [] } = JSON.parse(text) as {
              readonly metadata?: { readonly resourceVersion?: string };
              readonly items?: readonly { readonly metadata: { readonly name: string } }[];
            };
            resolve({ resourceVersion: metadata?.resourceVersion ?? '', names: items.map(item => item.metadata.name) });
          }, reject),
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
