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

const expected = (what: string, raw: unknown): Read => ({
  problem: `expected ${what}, found ${typeof raw === 'object' ? (Array.isArray(raw) ? 'a list' : raw === null ? 'null' : 'an object') : JSON.stringify(raw)}`,
});

/** Reads the JSON form of a scalar: numbers may be texts, bytes are base64. 64-bit integers lose precision beyond 2^53. */
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
      return readFloat(raw);
    default:
      return readInteger(type, raw);
  }
}

function readBytes(raw: unknown): Read {
  if (typeof raw !== 'string' || !/^([\w+/-]{4})*([\w+/-]{2,3}={0,2})?$/.test(raw)) return expected('base64', raw);
  return { value: Buffer.from(raw, 'base64') };
}

function readFloat(raw: unknown): Read {
  if (typeof raw === 'number') return { value: raw };
  if (raw === 'NaN' || raw === 'Infinity' || raw === '-Infinity') return { value: Number(raw) };
  const parsed = typeof raw === 'string' ? decimal(raw) : undefined;
  return parsed === undefined ? expected('a number', raw) : { value: parsed };
}

function readInteger(type: string, raw: unknown): Read {
  const range = RANGES[type];
  if (!range) throw new Error(`unknown scalar type ${type}`);
  const parsed = typeof raw === 'string' ? decimal(raw) : raw;
  if (typeof parsed !== 'number' || !Number.isInteger(parsed)) return expected('a whole number', raw);
  const exact = BigInt(typeof raw === 'string' && /^-?\d+$/.test(raw) ? raw : parsed);
  if (exact < range[0] || exact > range[1]) return { problem: `${exact} is out of range (${range[0]} to ${range[1]})` };
  return { value: parsed };
}

const decimal = (text: string): number | undefined =>
  /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
