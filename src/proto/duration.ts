import type { Duration } from './generated/google/protobuf.ts';

const NANOS = 1_000_000_000;

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

const LARGEST = 2n ** 63n;

/** The nanoseconds in a fraction of a unit, with the rounding of Go: as many digits as fit into 63 bits, then a float. */
function fractionOf(unit: number, digits: string): bigint {
  let fraction = 0n;
  let scale = 1;
  for (const digit of digits) {
    const next = fraction * 10n + BigInt(digit);
    if (fraction > (LARGEST - 1n) / 10n || next > LARGEST) break;
    fraction = next;
    scale *= 10;
  }
  return BigInt(Math.trunc(Number(fraction) * (unit / scale)));
}

/** The syntax of Go's time.ParseDuration (`1h30m`, `100ms`, `-0.5s`, `0`), at most 292 years; undefined if it is anything else. */
export function parseDuration(text: string): Duration | undefined {
  const [, sign, rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return {};
  if (!/^((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0n;
  for (const [, whole = '', digits = '', unit = ''] of rest.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const nanos = UNITS[unit] ?? 0;
    total += BigInt(whole) * BigInt(nanos) + fractionOf(nanos, digits);
  }
  const negative = sign === '-';
  if (total > LARGEST - (negative ? 0n : 1n)) return undefined;
  const [seconds, nanos] = [Number(total / BigInt(NANOS)), Number(total % BigInt(NANOS))];
  return negative ? fromParts(seconds && -seconds, nanos && -nanos) : fromParts(seconds, nanos);
}
