/**
 * What protoc-gen-validate's rules in Envoy's descriptors ask of values, as Envoy's C++ reads them. The bundle has them without the level that
 * repeats the field's type: `{gte: 1}`, `{min_items: 1, items: {min_len: 1}}`; durations are seconds.
 */
export interface Rules {
  readonly required?: boolean;
  readonly skip?: boolean;
  readonly ignore_empty?: boolean;
  readonly const?: unknown;
  readonly in?: readonly unknown[];
  readonly not_in?: readonly unknown[];
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly len?: number;
  readonly min_len?: number;
  readonly max_len?: number;
  readonly min_bytes?: number;
  readonly max_bytes?: number;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly contains?: string;
  readonly not_contains?: string;
  readonly pattern?: string;
  readonly well_known_regex?: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE';
  readonly strict?: boolean;
  readonly defined_only?: boolean;
  readonly unique?: boolean;
  readonly min_items?: number;
  readonly max_items?: number;
  readonly items?: Rules;
  readonly min_pairs?: number;
  readonly max_pairs?: number;
  readonly keys?: Rules;
  readonly values?: Rules;
}

/** Why a value is refused: a phrase such as `must be at least 1`; undefined where it is not. */
export type Test<T> = (value: T) => string | undefined;

const both =
  <T>(tests: readonly Test<T>[]): Test<T> =>
  value => {
    for (const test of tests) {
      const fault = test(value);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };

/** Rules that no test here knows would be forgotten in silence; they throw. */
const known: ReadonlySet<string> = new Set(
  `required skip ignore_empty const in not_in gt gte lt lte len min_len max_len min_bytes max_bytes prefix suffix contains
  not_contains pattern well_known_regex strict defined_only unique min_items max_items items min_pairs max_pairs keys
  values`.split(/\s+/),
);

const list = (values: readonly unknown[]): string => values.map(value => JSON.stringify(value)).join(', ');

const INTEGERS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 63), 2 ** 63],
  uint64: [0, 2 ** 64],
};

/** The test of an integer of a protobuf type, in whose encoding other numbers would be different ones; undefined for other types. */
export function integerTest(type: string): Test<unknown> | undefined {
  const range = INTEGERS[type];
  if (!range) return undefined;
  const [least, most] = range;
  return value =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} to ${most}`;
}

/** Both tests, the first one first. */
export const eitherTest = <T>(a: Test<T> | undefined, b: Test<T> | undefined): Test<T> | undefined =>
  a && b ? both([a, b]) : (a ?? b);

/** The test of a scalar or enum by its rules; undefined where they ask nothing. `numbers` are an enum's. */
export function scalarTest(rules: Rules, numbers?: ReadonlyMap<number, string>): Test<unknown> | undefined {
  const unknown = Object.keys(rules).find(rule => !known.has(rule));
  if (unknown) throw new Error(`the rule ${unknown} of Envoy's descriptors is not known here`);
  const tests = [...valueTests(rules), ...rangeTests(rules), ...lengthTests(rules), ...textTests(rules)];
  if (rules.defined_only && numbers)
    tests.push(value =>
      numbers.has(value as number) ? undefined : `must be one of ${[...numbers.values()].join(', ')}`,
    );
  if (!tests.length) return undefined;
  const all = both(tests);
  if (!rules.ignore_empty) return all;
  return value => (value === '' || value === 0 || (value as Uint8Array).length === 0 ? undefined : all(value));
}

function valueTests(rules: Rules): Test<unknown>[] {
  const tests: Test<unknown>[] = [];
  const { const: only, in: among, not_in: banned } = rules;
  if (only !== undefined) tests.push(value => (value === only ? undefined : `must be ${JSON.stringify(only)}`));
  if (among) tests.push(value => (among.includes(value) ? undefined : `must be one of ${list(among)}`));
  else if (banned) tests.push(value => (banned.includes(value) ? `must not be ${list(banned)}` : undefined));
  return tests;
}

/** A range whose end lies before its beginning means what is outside of it. */
function rangeTests({ gt, gte, lt, lte }: Rules): Test<unknown>[] {
  const low: Test<number> | undefined =
    gt !== undefined
      ? value => (value > gt ? undefined : `must be above ${gt}`)
      : gte !== undefined
        ? value => (value >= gte ? undefined : `must be at least ${gte}`)
        : undefined;
  const high: Test<number> | undefined =
    lt !== undefined
      ? value => (value < lt ? undefined : `must be below ${lt}`)
      : lte !== undefined
        ? value => (value <= lte ? undefined : `must be at most ${lte}`)
        : undefined;
  const outside = low && high && (lt ?? lte ?? 0) < (gt ?? gte ?? 0);
  const test = (value: number): string | undefined => {
    const below = low?.(value);
    const above = high?.(value);
    return outside ? below && above && `${below} or ${above.replace('must ', '')}` : (below ?? above);
  };
  return low || high ? [value => test(value as number)] : [];
}

/** The number of code points, which `min_len` and `max_len` of texts count. */
const points = (text: string): number => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

const sizeOf = (value: unknown): number => (typeof value === 'string' ? points(value) : (value as Uint8Array).length);
const bytesOf = (value: unknown): number =>
  typeof value === 'string' ? Buffer.byteLength(value) : (value as Uint8Array).length;

function lengthTests({ len, min_len, max_len, min_bytes, max_bytes }: Rules): Test<unknown>[] {
  const tests: Test<unknown>[] = [];
  const units = (value: unknown): number => (value as string | Uint8Array).length;
  const most = (limit: number, of: (value: unknown) => number, unit: string): void => {
    // A text has at least a third of a byte, and at most a code point, for each of its units: most need no counting.
    tests.push(value =>
      units(value) * 3 <= limit || of(value) <= limit ? undefined : `must have at most ${limit} ${unit}`,
    );
  };
  if (len !== undefined) tests.push(value => (sizeOf(value) === len ? undefined : `must have ${len} characters`));
  if (min_len === 1 || min_bytes === 1) tests.push(value => (units(value) > 0 ? undefined : 'must not be empty'));
  if (min_len !== undefined && min_len > 1)
    tests.push(value => (sizeOf(value) >= min_len ? undefined : `must have at least ${min_len} characters`));
  if (min_bytes !== undefined && min_bytes > 1)
    tests.push(value => (bytesOf(value) >= min_bytes ? undefined : `must have at least ${min_bytes} bytes`));
  if (max_len !== undefined) most(max_len, sizeOf, 'characters');
  if (max_bytes !== undefined) most(max_bytes, bytesOf, 'bytes');
  return tests;
}

/** https://github.com/bufbuild/protoc-gen-validate/blob/main/module/checker.go: the name's range from + to . is Envoy's. */
const headers = {
  HTTP_HEADER_NAME: /^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  HTTP_HEADER_VALUE: /^[^\x00-\x08\x0a-\x1f\x7f]*$/,
} as const;

const isLine = (text: string): boolean => !(text.includes('\n') || text.includes('\r') || text.includes('\0'));

function textTests(rules: Rules): Test<unknown>[] {
  const tests: Test<unknown>[] = [];
  const text = (fault: string, test: (value: string) => boolean): void => {
    tests.push(value => (test(value as string) ? undefined : fault));
  };
  const { prefix, suffix, contains, not_contains, pattern, well_known_regex: form, strict = true } = rules;
  if (prefix !== undefined) text(`must begin with ${prefix}`, value => value.startsWith(prefix));
  if (suffix !== undefined) text(`must end in ${suffix}`, value => value.endsWith(suffix));
  if (contains !== undefined) text(`must contain ${contains}`, value => value.includes(contains));
  if (not_contains !== undefined) text(`must not contain ${not_contains}`, value => !value.includes(not_contains));
  if (pattern !== undefined) {
    const whole = new RegExp(`^(?:${pattern})$`, 'su');
    text(`must match ${pattern}`, value => whole.test(value));
  }
  if (form && strict)
    text(form === 'HTTP_HEADER_NAME' ? 'must be the name of a header' : 'must be the value of a header', value =>
      headers[form].test(value),
    );
  else if (form) text('must have neither line breaks nor zero bytes', isLine);
  return tests;
}
