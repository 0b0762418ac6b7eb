type Read = { readonly value: unknown } | { readonly problem: string };

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
};

/** What a value is, in a user's words. */
export function describe(raw: unknown): string {
  if (raw === null) return 'null';
  if (Array.isArray(raw)) return 'a list';
  return typeof raw === 'object' ? 'an object' : JSON.stringify(raw);
}

const expected = (what: string, raw: unknown): Read => ({ problem: `expected ${what}, found ${describe(raw)}` });

/** The value of a scalar field that is not set. */
export const zero = (type: string): unknown =>
  type === 'string' ? '' : type === 'bool' ? false : type === 'bytes' ? new Uint8Array() : 0;

/** Reads the JSON form of a scalar as Go's jsonpb does: numbers may be texts, bytes are base64 or a list. 64-bit integers lose precision beyond 2^53. */
export function readScalar(type: string, raw: unknown): Read {
  switch (type) {
    case 'string':
      return typeof raw === 'string' ? { value: raw } : expected('a text', raw);
    case 'bool':
      return typeof raw === 'boolean' ? { value: raw } : expected('true or false', raw);
    case 'bytes':
      return readBytes(raw);
    case 'float':
    case 'double':
      return readFloat(type, raw);
    default:
      return readInteger(type, raw);
  }
}

/** Reads the key of a map, which JSON has as a text, as a scalar. */
export function readMapKey(type: string, key: string): Read {
  if (type === 'string') return { value: key };
  if (type !== 'bool') return readInteger(type, key);
  return key === 'true' || key === 'false' ? { value: key === 'true' } : expected('true or false', key);
}

const base64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/;

function readBytes(raw: unknown): Read {
  if (Array.isArray(raw)) {
    const wrong = raw.find(byte => byte !== null && (byte & 255) !== byte);
    return wrong === undefined ? { value: Buffer.from(raw) } : expected('bytes from 0 to 255', wrong);
  }
  const text = typeof raw === 'string' ? raw.replaceAll(/[\r\n]/g, '') : undefined;
  return text !== undefined && base64.test(text) ? { value: Buffer.from(text, 'base64') } : expected('base64', raw);
}

/** The number in a text; a null there is zero, as in Go. Undefined where there is none. */
function numberIn(text: string, form: RegExp): string | undefined {
  const [, number, nothing] = form.exec(text) ?? [];
  return number ?? (nothing && '0');
}

const decimal = /^ *(?:(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(null)) *$/;
const whole = /^ *(?:(-?(?:0|[1-9]\d*))|(null)) *$/;

function readFloat(type: string, raw: unknown): Read {
  if (raw === 'NaN' || raw === 'Infinity' || raw === '-Infinity') return { value: Number(raw) };
  const parsed = typeof raw === 'string' ? Number(numberIn(raw, decimal) ?? Number.NaN) : raw;
  if (typeof parsed !== 'number' || Number.isNaN(parsed)) return expected('a number', raw);
  return Number.isFinite(type === 'float' ? Math.fround(parsed) : parsed)
    ? { value: parsed }
    : { problem: `${raw} is out of range` };
}

function readInteger(type: string, raw: unknown): Read {
  const range = RANGES[type];
  if (!range) throw new Error(`unknown scalar type ${type}`);
  // Go writes larger numbers with an exponent, and reads none in an integer.
  const text = typeof raw === 'number' && Math.abs(raw) < 1e21 ? String(raw) : raw;
  const number = typeof text === 'string' ? numberIn(text, whole) : undefined;
  if (number === undefined || (number === '-0' && range[0] === 0n)) return expected('a whole number', raw);
  const exact = BigInt(number);
  if (exact < range[0] || exact > range[1]) return { problem: `${exact} is out of range (${range[0]} to ${range[1]})` };
  const value = Number(exact);
  // Rounded up beyond the last it would be encoded as 0, or as the least: the double before is nearest.
  return { value: BigInt(value) > range[1] ? Number(exact - (range[1] >> 53n) - 1n) : value };
}
