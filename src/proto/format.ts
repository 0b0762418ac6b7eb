import { isObject } from '../unknown.ts';
import { commandTable, type Parameters } from './format-commands.ts';
import type { Struct, Value } from './generated/google/protobuf.ts';

/** Why Envoy refuses a format, and the first minor version of Envoy 1 that takes it; absent where none does. */
export interface FormatFault {
  readonly message: string;
  readonly since?: number;
}

/** A command as it stands in a format: `%REQ(x-id):8%`. */
interface Command {
  readonly text: string;
  readonly name: string;
  /** Undefined without parentheses. */
  readonly parameters: string | undefined;
  readonly length: boolean;
}

interface Known {
  readonly takes: Parameters;
  readonly since: number;
}

const OLDEST = 36;

const known: ReadonlyMap<string, Known> = new Map(
  commandTable.flatMap(({ takes, since, names }) => names.split(/\s+/).map(name => [name, { takes, since }] as const)),
);

/** istio and envoy: substitution_format_parser's expression; a length of more than 64 bits is no number. */
const command = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::(\d{1,19}))?%/y;

const headerName = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]*$/;

const oneOf = (option: string, options: string): boolean => option === '' || options.split(' ').includes(option);

const isHeader = (text: string): boolean => {
  const names = text.split('?');
  return names.length <= 2 && names.every(name => headerName.test(name));
};

const isFilterState = (text: string): boolean => {
  const [key, form = '', field, ...rest] = text.split(':');
  if (!key) return false;
  return form === 'FIELD' ? Boolean(field) : oneOf(form, 'PLAIN TYPED') && !field && !rest.length;
};

const SOURCES = 'DYNAMIC CLUSTER ROUTE UPSTREAM_HOST LISTENER VIRTUAL_HOST LISTENER_FILTER_CHAIN';

function isCommonDuration(text: string): boolean {
  const [, to, unit, ...rest] = text.split(':');
  return to !== undefined && (unit === undefined || ['ms', 'us', 'ns'].includes(unit)) && !rest.length;
}

function isPath(text: string): boolean {
  const [query = '', from = ''] = text.split(':');
  return oneOf(query, 'WQ NQ') && oneOf(from, 'ORIG PATH ORIG_OR_PATH');
}

function isServerName(text: string): boolean {
  const [from = '', host = ''] = text.split(':');
  return oneOf(from, 'SNI_ONLY SNI_FIRST HOST_FIRST') && oneOf(host, 'HOST ORIG ORIG_OR_HOST');
}

const asRecord = (operator: unknown): Readonly<Record<string, unknown>> =>
  isObject(operator) ? operator : { command: operator };

/** `{"operators": ["PROTOCOL", {"command": "REQ", "param": "x", "max_length": 5}]}`. Envoy 1.40 crashes of JSON that is no object. */
function coalesceFault(text: string): FormatFault | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { message: 'is not JSON' };
  }
  const operators = isObject(value) ? value['operators'] : undefined;
  if (!Array.isArray(operators) || !operators.length) return { message: 'needs a list of operators' };
  for (const operator of operators) {
    const { ['command']: name, ['param']: param, ['max_length']: length } = asRecord(operator);
    if (typeof name !== 'string' || !['string', 'undefined'].includes(typeof param))
      return { message: 'has an operator that is no command' };
    if (length !== undefined && !(Number.isInteger(length) && Number(length) > 0))
      return { message: 'has a max_length that is no positive number' };
    const fault = commandFault({ text, name, parameters: param as string | undefined, length: length !== undefined });
    if (fault) return fault;
  }
  return undefined;
}

const LENGTHS: ReadonlySet<Parameters> = new Set([
  ...(['textAndLength', 'lengthSince37', 'header', 'filterState', 'metadata', 'path', 'queryParams'] as const),
  ...(['coalesce', 'cel'] as const),
]);

/** Those that mean nothing without parameters. */
const NEEDED: ReadonlySet<Parameters> = new Set([
  ...(['text', 'textAndLength', 'lengthSince37', 'header', 'filterState', 'metadata', 'commonDuration'] as const),
  ...(['coalesce', 'cel'] as const),
]);

const no = (wrong: boolean, message: string): FormatFault | undefined => (wrong ? { message } : undefined);

/** What is wrong with parameters that are there. */
function parameterFault(takes: Parameters, text: string): FormatFault | undefined {
  switch (takes) {
    case 'plain':
      return { message: 'takes no parameters' };
    case 'textSince38':
      return { message: 'takes no parameters', since: 38 };
    case 'header':
      return no(!isHeader(text), 'takes the name of a header, or two with a ? between them');
    case 'filterState':
      return no(!isFilterState(text), 'takes a key, and :PLAIN, :TYPED or :FIELD:name');
    case 'metadata':
      if (text.split(':')[0] === 'LISTENER_FILTER_CHAIN') return { message: 'has no LISTENER_FILTER_CHAIN', since: 37 };
      return no(!SOURCES.split(' ').includes(text.split(':')[0] ?? ''), `takes one of ${SOURCES} first`);
    case 'commonDuration':
      return no(!isCommonDuration(text), 'takes two points of time, and :ms, :us or :ns');
    case 'grpcStatus':
      return no(!oneOf(text, 'CAMEL_STRING SNAKE_STRING NUMBER'), 'takes CAMEL_STRING, SNAKE_STRING or NUMBER');
    case 'path':
      return no(!isPath(text), 'takes WQ or NQ, and :ORIG, :PATH or :ORIG_OR_PATH');
    case 'queryParams':
      return no(!oneOf(text, 'ORIG DECODED'), 'takes ORIG or DECODED');
    case 'serverName':
      return isServerName(text)
        ? { message: 'takes no parameters', since: 37 }
        : { message: 'takes SNI_ONLY, SNI_FIRST or HOST_FIRST, and :HOST, :ORIG or :ORIG_OR_HOST' };
    case 'coalesce':
      return coalesceFault(text);
    default:
      return undefined;
  }
}

/** The later of two: what no version takes is the latest. */
const later = (a: FormatFault | undefined, b: FormatFault | undefined): FormatFault | undefined => {
  if (!a || !b) return a ?? b;
  return (a.since ?? Number.POSITIVE_INFINITY) >= (b.since ?? Number.POSITIVE_INFINITY) ? a : b;
};

function commandFault({ name, parameters, length }: Command): FormatFault | undefined {
  const found = known.get(name);
  if (!found) return { message: 'is no command of Envoy' };
  const { takes, since } = found;
  const age = since > OLDEST ? { message: `is no command before Envoy 1.${since}`, since } : undefined;
  const absent = NEEDED.has(takes) && !parameters ? { message: 'needs parameters' } : undefined;
  const wrong = parameters ? parameterFault(takes, parameters) : undefined;
  const cut = !length
    ? undefined
    : !LENGTHS.has(takes)
      ? { message: 'takes no length' }
      : takes === 'lengthSince37'
        ? { message: 'takes no length', since: 37 }
        : undefined;
  return [age, absent, wrong, cut].reduce(later, undefined);
}

/** Where a format stands, and what it may have there besides Envoy's own commands. */
export interface FormatPlace {
  /** Commands of formatter extensions that are configured beside it. */
  readonly extensions?: ReadonlySet<string>;
  /** Whether there may be commands of extensions that nothing is known of. */
  readonly open?: boolean;
}

/** In a header's value the filter state has an old name, too. */
export const HEADER_PLACE: FormatPlace = { extensions: new Set(['PER_REQUEST_STATE']) };

/** Why Envoy refuses a format; undefined where every Envoy takes it. */
export function formatFault(text: string, place: FormatPlace = {}): FormatFault | undefined {
  let worst: FormatFault | undefined;
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', at)) {
    if (text[at + 1] === '%') {
      at += 2;
      continue;
    }
    command.lastIndex = at;
    const match = command.exec(text);
    if (!match) return { message: 'has a % that is neither %% nor part of a complete %COMMAND%' };
    const [whole, name = '', parameters, length] = match;
    at += whole.length;
    if (place.extensions?.has(name) || (place.open && !known.has(name))) continue;
    const fault = commandFault({ text: whole, name, parameters, length: length !== undefined });
    worst = later(worst, fault && { ...fault, message: `${whole} ${fault.message}` });
  }
  return worst;
}

/** The expressions of CEL in a format. */
export const celExpressions = (text: string): readonly string[] =>
  [...text.matchAll(/%CEL\((.*?)\)(?::\d+)?%/g)].map(([, expression = '']) => expression);

/** Every text of a structure that is a format, with the way to it. */
function* formatsIn(value: Value, path: readonly string[] = []): Iterable<readonly [readonly string[], string]> {
  if (value.string_value !== undefined) yield [path, value.string_value];
  if (value.struct_value) yield* formatsOf(value.struct_value, path);
  for (const [i, item] of (value.list_value?.values ?? []).entries()) yield* formatsIn(item, [...path, String(i)]);
}

/** {@link formatsIn} a structure. */
export function* formatsOf(
  { fields = {} }: Struct,
  path: readonly string[] = [],
): Iterable<readonly [readonly string[], string]> {
  for (const [key, value] of Object.entries(fields)) yield* formatsIn(value, [...path, key]);
}
