import type { RawObject } from '../../src/config/raw.ts';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { resourceOf } from '../kubernetes/objects.ts';
import { type Attack, type Load, list, over, part } from './attack.ts';

/** So many requests to the API server are under way at once. */
const atOnce = 16;

const rule = (n: number, round: number): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: `n-${n}`, namespace: 'load' },
  spec: { host: `-h-${n}_${round}.example.com` },
});

/** Applies objects again and again, as fast as the API server takes them, and takes them away at the end. */
async function applied(load: Load, count: number, object: (n: number, round: number) => RawObject): Promise<void> {
  const api = await ApiClient.create({ kubeconfig: load.source });
  const names = list(count);
  const each = async (work: (n: number) => Promise<unknown>): Promise<void> => {
    const left = [...names];
    const worker = async (): Promise<void> => {
      for (let n = left.pop(); n !== undefined && !over(load); n = left.pop()) await work(n).catch(() => {});
    };
    await Promise.all(list(atOnce).map(worker));
  };
  for (let round = 0; !over(load); round++) {
    await each(n => {
      const body = object(n, round);
      return api.json(`${resourceOf(body)}/${body.metadata.name}`, {
        method: 'PATCH',
        query: { fieldManager: 'attack', force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body,
      });
    });
  }
}

/** What objects in an API server are. */
export const objectAttacks: Readonly<Record<string, Attack>> = {
  'objects-with-mistakes': {
    on: 'kubernetes',
    what: '5,000 DestinationRules with a mistake each, changed as fast as the API server takes them',
    run: load => applied(load, part(load, 5_000), rule),
  },
};
