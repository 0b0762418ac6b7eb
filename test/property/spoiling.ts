/** JSON as users write it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A spec in which one thing is not as it must be. */
export interface Spoiled {
  /** What was done to it, e.g. `rules[0].form for rules[0].from`. */
  readonly how: string;
  readonly spec: Json;
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Values that nothing of these fields can be, by the name of the field that holds them or the list of them. */
type Bad = Readonly<Record<string, readonly (Json | ((value: string) => Json))[]>>;

const badValues: Bad = {
  // What begins a path can be read, whatever follows.
  paths: ['', value => `${value}{}`, value => `${value}{*}x/{`],
  notPaths: ['', value => `${value}{}`],
  ports: ['', 'http', '70000'],
  notPorts: ['80-90'],
  ipBlocks: ['', '10.0.0.0/99', 'localhost'],
  notIpBlocks: ['10.0.0.0/99'],
  remoteIpBlocks: ['10.0.0.300'],
  principals: [''],
  notPrincipals: [''],
  namespaces: [''],
  methods: [''],
  hosts: [''],
  key: ['', 'request.header[x]', 'source.nothing'],
  action: ['MAYBE', 'deny', 9],
  app: ['w*'],
};

/** Fields that hold labels: any name is one. */
const maps: ReadonlySet<string> = new Set(['matchLabels', 'labels']);

/** Every spec that differs from the one given in one thing: a name with a typo, another type, a value that is none (`bad`: more of them). */
export const spoilings = (spec: Json, bad: Bad = {}): readonly Spoiled[] =>
  walk(spec, '', 'spec', { ...badValues, ...bad });

function walk(value: Json, path: string, name: string, badValues: Bad): readonly Spoiled[] {
  const instead = (how: string, put: Json): Spoiled => ({ how: `${how} for ${path || 'spec'}`, spec: put });
  const here = [
    ...(path
      ? [
          ...(typeof value === 'number' ? [] : [instead('12', 12)]),
          ...(typeof value === 'string' ? [instead('{}', {})] : [instead('text', 'text')]),
        ]
      : []),
    ...(typeof value === 'string'
      ? (badValues[name] ?? [])
          .map(bad => (typeof bad === 'function' ? bad(value) : bad))
          .map(bad => instead(JSON.stringify(bad), bad))
      : []),
  ];
  if (Array.isArray(value)) {
    const list: readonly Json[] = value;
    const items = list.flatMap((item, i) =>
      walk(item, `${path}[${i}]`, name, badValues).map(({ how, spec }) => ({ how, spec: list.with(i, spec) })),
    );
    return [...here, instead('an item of another type', [...list, 12]), ...items];
  }
  if (!isObject(value)) return here;
  const members = Object.entries(value).flatMap(([key, member]) => {
    const at = path ? `${path}.${key}` : key;
    const { [key]: _, ...others } = value;
    const typo = { how: `${at}x for ${at}`, spec: { ...others, [`${key}x`]: member } };
    const isLabel = maps.has(name);
    return [
      ...(isLabel ? [] : [typo]),
      ...walk(member, at, key, badValues).map(({ how, spec }) => ({ how, spec: { ...value, [key]: spec } })),
    ];
  });
  return [...here, ...(maps.has(name) ? [] : [instead('one more field', { ...value, more: 'text' })]), ...members];
}
