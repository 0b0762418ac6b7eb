import type { NameTable, NameTable_NameInfo } from '../../src/proto/generated/istio/networking/nds/v1.ts';

/** Whether an entry of the table is what a workload of a namespace means by a name: Kubernetes' names may be written short. */
function isCalled(host: string, info: NameTable_NameInfo, name: string, namespace: string): boolean {
  if (host === name) return true;
  if (info.registry !== 'Kubernetes') return false;
  const short = `${info.shortname}.${info.namespace}`;
  return name === short || name === `${short}.svc` || (name === info.shortname && info.namespace === namespace);
}

/** `*.b.c`, `*.c` for `a.b.c`: the wildcards that stand for a name, the closest first. */
const wildcardsOf = (name: string): readonly string[] =>
  name.split('.').flatMap((_, i, labels) => (i > 0 ? [`*.${labels.slice(i).join('.')}`] : []));

/** What the agent's DNS proxy answers to a workload of a namespace; undefined where it asks the next server. */
export function dnsAnswer(
  tables: readonly NameTable[],
  name: string,
  namespace: string,
): readonly string[] | undefined {
  const entries = tables.flatMap(({ table = {} }) => Object.entries(table));
  const named = (wanted: string): NameTable_NameInfo | undefined =>
    entries.find(([host, info]) => isCalled(host, info, wanted, namespace))?.[1];
  const found =
    named(name) ??
    wildcardsOf(name)
      .map(named)
      .find(info => info !== undefined);
  return found?.ips;
}
