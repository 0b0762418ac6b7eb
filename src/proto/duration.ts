import type { Duration } from './generated/google/protobuf.ts';

const NANOS = 1_000_000_000;
const MAX_SECONDS = 315_576_000_000;

function fromParts(seconds: number, nanos: number): Duration {
  return { ...(seconds !== 0 && { seconds }), ...(nanos !== 0 && { nanos }) };
}

/** A Duration of this many milliseconds; fractions are kept to the nanosecond. */
export function duration(milliseconds: number): Duration {
  const seconds = Math.trunc(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1_000_000);
  return Math.abs(nanos) === NANOS ? fromParts(seconds + Math.sign(nanos), 0) : fromParts(seconds, nanos);
}

/** A Duration of this many seconds. */
export const seconds = (n: number): Duration => duration(n * 1000);

/** A Duration in milliseconds. */
export const milliseconds = (d: Duration): number => (d.seconds ?? 0) * 1000 + (d.nanos ?? 0) / 1_000_000;

/** protojson's form: seconds with 0, 3, 6 or 9 digits, e.g. `0.025s`. */
export function formatDuration(d: Duration): string {
  const whole = d.seconds ?? 0;
  const nanos = d.nanos ?? 0;
  const sign = whole < 0 || nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(whole)}${formatFraction(Math.abs(nanos))}s`;
}

/** The fraction of a second with as many groups of three digits as it needs; empty for none. */
export function formatFraction(nanos: number): string {
  const digits = `.${String(nanos).padStart(9, '0')}`;
  return digits
    .replace(/000$/, '')
    .replace(/000$/, '')
    .replace(/\.000$/, '');
}

/** protojson's syntax (`10s`, `-0.5s`), at most nine digits of fraction; undefined if it is anything else. */
export function parseDuration(text: string): Duration | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d{0,9}))?s$/.exec(text);
  if (!match || (!match[2] && !match[3])) return undefined;
  const sign = match[1] === '-' ? -1 : 1;
  const whole = Number(match[2] || '0');
  if (whole > MAX_SECONDS) return undefined;
  return signed(sign, whole, Number((match[3] ?? '').padEnd(9, '0')));
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** The syntax of Go's time.ParseDuration (`1h30m`, `100ms`, `0`), which istiod accepts in its CRDs; undefined if it is anything else. */
export function parseGoDuration(text: string): Duration | undefined {
  const match = /^([+-]?)(.+)$/.exec(text);
  if (!match) return undefined;
  const sign = match[1] === '-' ? -1 : 1;
  const rest = match[2] ?? '';
  if (rest === '0') return {};
  if (!/^((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0n;
  for (const [, whole = '', digits = '', unit = ''] of rest.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = UNITS[unit] ?? 0;
    const fraction = digits.slice(0, 18);
    total += BigInt(whole) * BigInt(scale) + BigInt(Math.trunc(Number(fraction) * (scale / 10 ** fraction.length)));
  }
  if (total > 2n ** 63n - 1n) return undefined;
  return signed(sign, Number(total / BigInt(NANOS)), Number(total % BigInt(NANOS)));
}

const signed = (sign: number, whole: number, nanos: number): Duration =>
  fromParts(whole && sign * whole, nanos && sign * nanos);
