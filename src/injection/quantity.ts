const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const decimal: { readonly [suffix: string]: number } = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const form = /^([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/;

/** Whether a request is more than the limit beside it, as far as both are quantities. */
export const exceeds = (request: string, limit: string): boolean =>
  (quantity(request) ?? 0) > (quantity(limit) ?? Number.POSITIVE_INFINITY);

/** A quantity of Kubernetes as a number (`100m` is 0.1); undefined where it is none. */
export function quantity(text: string): number | undefined {
  const [, digits, suffix = ''] = form.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const power = binary.indexOf(suffix);
  if (power >= 0) return Number(digits) * 1024 ** (power + 1);
  const exponent = decimal[suffix];
  return exponent === undefined ? Number(digits + suffix) : Number(digits) * 10 ** exponent;
}
