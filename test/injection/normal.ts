import { isFields } from './case.ts';

/** Texts that hold JSON, whose spaces and order mean nothing. */
const json = new Set([
  'PROXY_CONFIG',
  'ISTIO_META_POD_PORTS',
  'ISTIO_KUBE_APP_PROBERS',
  'ISTIO_PROMETHEUS_ANNOTATIONS',
  'sidecar.istio.io/status',
  'proxy.istio.io/overrides',
]);

/** What was there before an injection, of which istiod's status says nothing, is left out. */
function readJson(key: string, text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (key !== 'sidecar.istio.io/status' || !isFields(value)) return value;
  const { before: _, ...status } = value;
  return status;
}

/** Fields that are the same to the API server empty or absent. */
const emptyIsAbsent = new Set(['resources', 'emptyDir', 'labels', 'annotations', 'initContainers', 'volumes']);

const units: { readonly [suffix: string]: number } = { '': 1, m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

const quantity = (text: unknown): unknown => {
  const [, digits, unit = ''] = /^([\d.]+)(m|Ki|Mi|Gi)?$/.exec(String(text)) ?? [];
  return digits === undefined ? text : Number(digits) * (units[unit] ?? 1);
};

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isFields(value) && Object.keys(value).length === 0;

const byName = (list: readonly { readonly name: string }[]) =>
  [...list].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/**
 * A pod in the one form of all that are the same to the API server: what istioctl writes went through Go's types (nulls and zeros are absent,
 * 2000m is 2), and the order of variables tells nothing where none names another.
 */
export function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (!isFields(value)) return value;
  const fields = Object.keys(value)
    .sort()
    .flatMap((key): [string, unknown][] => {
      const inner = value[key];
      const text = typeof inner === 'string' && json.has(key === 'value' ? String(value['name']) : key);
      const read = normal(text ? readJson(key, inner as string) : inner);
      if (read === null || read === undefined || key === 'creationTimestamp') return [];
      if ((key === 'value' && read === '') || (emptyIsAbsent.has(key) && isEmpty(read))) return [];
      if (key === 'env') return [[key, byName(read as { name: string }[])]];
      if ((key === 'limits' || key === 'requests') && isFields(read))
        return [[key, Object.fromEntries(Object.entries(read).map(([name, amount]) => [name, quantity(amount)]))]];
      return [[key, read]];
    });
  return Object.fromEntries(fields);
}
