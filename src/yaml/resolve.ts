/** A scalar as it is written. */
export interface Scalar {
  readonly text: string;
  /** Its tag, as `!!str` or `!mine`; empty where it has none. */
  readonly tag: string;
  /** Without quotes. */
  readonly plain: boolean;
}

/** What a scalar says. */
export type ScalarValue = string | number | boolean | null;

const words = new Map<string, boolean | null>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(word => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(word => [word, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map(word => [word, null] as const),
]);

const notFinite = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const timestamp =
  /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?$/;
const typed: ReadonlySet<string> = new Set(['!!str', '!!bool', '!!int', '!!float', '!!null', '!!timestamp']);

const mayBeNumber = (text: string): boolean => {
  const code = text.charCodeAt(0);
  return (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e;
};

// 64 bits in binary, with its sign and its base, and some zeros.
const maxDigits = 80;

/** A whole number of 64 bits, as Go's ParseInt and ParseUint read it without a base; undefined where it is none. */
function whole(text: string): bigint | undefined {
  if (text.length > maxDigits) return undefined;
  const match = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/.exec(text);
  if (!match) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  const size = BigInt(hex ? `0x${hex}` : binary ? `0b${binary}` : octal ? `0o${octal}` : (decimal ?? '0'));
  if (sign === '-') return size <= 2n ** 63n ? -size : undefined;
  return size < (sign ? 2n ** 63n : 2n ** 64n) ? size : undefined;
}

/** A number with a point or an exponent, or one that is too large to be whole; undefined where it is none, or none that a double holds. */
function real(text: string): number | undefined {
  if (!/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Underscores within numbers say nothing, but after a leading point Go wants them between digits. */
function number(text: string): bigint | number | undefined {
  if (!mayBeNumber(text)) return undefined;
  if (text.startsWith('.'))
    return /_/.test(text) && !/^\.\d+(?:_\d+)*(?:[eE]|$)/.test(text) ? undefined : real(text.replaceAll('_', ''));
  const plain = text.includes('_') ? text.replaceAll('_', '') : text;
  // Most numbers are short.
  if (/^(?:0|-?[1-9][0-9]{0,14})$/.test(plain)) return Number(plain);
  return whole(plain) ?? real(plain);
}

/** What a plain scalar says by its looks. Throws an Error for what JSON has no word for. */
function looksLike(text: string): string | number | bigint | boolean | null {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (notFinite.test(text)) throw new Error(`${text} is a number that JSON does not have; a text needs quotes`);
  return number(text) ?? text;
}

/**
 * The value of a scalar by YAML 1.1, as kubectl understands it (go.yaml.in/yaml/v2, resolve.go): `yes` and `on` are true, 0400 is octal,
 * 1_000 a number, 12:30 and a date are texts.
 */
function resolved({ text, tag, plain }: Scalar): string | number | bigint | boolean | null {
  if (!tag) return plain ? looksLike(text) : text;
  if (tag === '!!binary') return decoded(text);
  if (!typed.has(tag) || tag === '!!str') return text;
  const value = looksLike(text);
  const fits =
    tag === '!!bool'
      ? typeof value === 'boolean'
      : tag === '!!null'
        ? value === null
        : tag === '!!timestamp'
          ? timestamp.test(text)
          : typeof value === 'number' || typeof value === 'bigint';
  if (!fits || (tag === '!!int' && typeof value === 'number' && !Number.isInteger(value))) {
    throw new Error(`"${text}" is no ${tag.slice(2)}, as its tag says`);
  }
  return value;
}

function decoded(text: string): string {
  const base64 = text.replaceAll(/[\r\n]/g, '');
  if (base64.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw new Error('!!binary stands before what is no base64');
  return Buffer.from(base64, 'base64').toString();
}

/** The value of a scalar. Throws an Error that says what is wrong. */
export function valueOf(scalar: Scalar): ScalarValue {
  const value = resolved(scalar);
  return typeof value === 'bigint' ? Number(value) : value;
}

/** A scalar as the key of a mapping: JSON has only texts there. Throws an Error. */
export function keyOf(scalar: Scalar): string {
  if (scalar.plain && !scalar.tag && notFinite.test(scalar.text)) return scalar.text.replace('+', '').toLowerCase();
  const value = resolved(scalar);
  if (value === null) throw new Error('a key is missing, or it is null');
  if (typeof value === 'bigint' && value >= 2n ** 63n) throw new Error(`a key of ${value} needs quotes`);
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) && whole(scalar.text.replaceAll('_', '')) !== undefined
    ? String(value)
    : float32(value);
}

/** A number as kubectl writes one that is no whole number: Go's shortest form for 32 bits. */
function float32(value: number): string {
  let digits = 1;
  const single = Math.fround(value);
  if (!Number.isFinite(single)) return single < 0 ? '-.inf' : '.inf';
  while (digits < 9 && Math.fround(Number(single.toPrecision(digits))) !== single) digits++;
  const [, mantissa = '', exponent = ''] = /^(.*)e(.*)$/.exec(single.toExponential(digits - 1)) ?? [];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return (Object.is(value, -0) ? '-' : '') + String(Number(single.toPrecision(digits)));
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
