import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '../../src/kubernetes/api-client.ts';

/** A client of what a test serves at a URL in the place of an API server. */
export async function clientOf(server: string): Promise<ApiClient> {
  const kubeconfig = join(await mkdtemp(join(tmpdir(), 'client-')), 'config');
  const config = {
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  return ApiClient.create({ kubeconfig });
}
