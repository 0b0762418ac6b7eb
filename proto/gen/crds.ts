// Writes Istio's CustomResourceDefinitions, one file each, from the descriptors of the specs and the table of kinds:
//   node crds.ts BUNDLE FOLDER
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Kind, type KindRow, kinds } from '../../src/config/kinds.ts';

interface Field {
  readonly type: string;
  readonly rule?: 'repeated';
  readonly keyType?: string;
  readonly options?: { readonly field_behavior?: string };
}

interface Descriptor {
  readonly nested?: Readonly<Record<string, Descriptor>>;
  readonly fields?: Readonly<Record<string, Field>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
}

type Schema = Readonly<Record<string, unknown>>;

interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: string;
}

const [bundlePath = '', folder = ''] = process.argv.slice(2);
const bundle = JSON.parse(readFileSync(bundlePath, 'utf8')) as Descriptor;

const column = (name: string, jsonPath: string, type = 'string'): Column => ({ name, jsonPath, type });
const age = column('Age', '.metadata.creationTimestamp', 'date');

/** What `kubectl get` shows besides the name, as with Istio's own CRDs. */
const columns: Readonly<Record<string, readonly Column[]>> = {
  AuthorizationPolicy: [column('Action', '.spec.action'), age],
  DestinationRule: [column('Host', '.spec.host'), age],
  PeerAuthentication: [column('Mode', '.spec.mtls.mode'), age],
  ServiceEntry: [
    column('Hosts', '.spec.hosts'),
    column('Location', '.spec.location'),
    column('Resolution', '.spec.resolution'),
    age,
  ],
  VirtualService: [column('Gateways', '.spec.gateways'), column('Hosts', '.spec.hosts'), age],
  WorkloadEntry: [age, column('Address', '.spec.address')],
};

/** The package of a group's specs; ProxyConfig came later than its group. */
const packageOf = (kind: string, group: string): string =>
  kind === 'ProxyConfig'
    ? 'istio.networking.v1beta1'
    : ({
        'networking.istio.io': 'istio.networking.v1alpha3',
        'security.istio.io': 'istio.security.v1beta1',
        'telemetry.istio.io': 'istio.telemetry.v1alpha1',
      }[group] ?? '');

const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true };
const uint32: Schema = { type: 'integer', minimum: 0, maximum: 4294967295 };

const scalars: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  bytes: { type: 'string', format: 'byte' },
  double: { type: 'number', format: 'double' },
  float: { type: 'number', format: 'float' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  uint32,
  uint64: { type: 'integer', minimum: 0 },
};

const nullable = (schema: Schema | undefined): Schema => ({ ...schema, nullable: true });

/** Messages whose JSON form is not that of their fields. */
const wellKnown: Readonly<Record<string, Schema>> = {
  '.google.protobuf.BoolValue': nullable(scalars['bool']),
  '.google.protobuf.DoubleValue': nullable(scalars['double']),
  '.google.protobuf.Duration': { type: 'string' },
  '.google.protobuf.Int32Value': nullable(scalars['int32']),
  '.google.protobuf.Int64Value': nullable(scalars['int64']),
  '.google.protobuf.ListValue': { type: 'array', items: anything },
  '.google.protobuf.StringValue': nullable(scalars['string']),
  '.google.protobuf.Struct': { type: 'object', ...anything },
  '.google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  '.google.protobuf.UInt32Value': nullable(uint32),
  '.google.protobuf.Value': anything,
};

/** Nested types are written relative to their message or as full names. */
function find(name: string): Descriptor {
  let at: Descriptor | undefined = bundle;
  for (const part of name.replace(/^\./, '').split('.')) at = at?.nested?.[part];
  if (!at) throw new Error(`${bundlePath} has no ${name}`);
  return at;
}

function single(type: string, within: readonly string[]): Schema {
  const known = scalars[type] ?? wellKnown[type];
  if (known) return known;
  if (!type.startsWith('.')) throw new Error(`no schema for the type ${type}`);
  const { values } = find(type);
  if (values) return { type: 'string', enum: Object.keys(values) };
  if (within.includes(type)) throw new Error(`${type} contains itself; a structural schema cannot`);
  return message(type, [...within, type]);
}

function schemaOf({ type, rule, keyType }: Field, within: readonly string[]): Schema {
  if (keyType) return { type: 'object', additionalProperties: single(type, within) };
  return rule === 'repeated' ? { type: 'array', items: single(type, within) } : single(type, within);
}

/** Old spellings that Istio's CRDs let through beside the field's name; what a schema does not name is dropped by the API server. */
const spellings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '.istio.networking.v1alpha3.HTTPRoute': { mirror_percent: 'mirrorPercent' },
  '.istio.security.v1beta1.JWTRule': { jwks_uri: 'jwksUri' },
};

/** At most one member may be there. */
const atMostOne = (members: readonly string[]): Schema => {
  const each = members.map(name => ({ required: [name] }));
  return { oneOf: [{ not: { anyOf: each } }, ...each] };
};

function message(name: string, within: readonly string[]): Schema {
  const { fields = {}, oneofs = {} } = find(name);
  const also = Object.entries(spellings[name] ?? {}).flatMap(([old, now]) => {
    const field = fields[now];
    return field ? [[old, field] as const] : [];
  });
  const entries = [...Object.entries(fields), ...also].sort(([a], [b]) => (a < b ? -1 : 1));
  const required = entries.filter(([, field]) => field.options?.field_behavior === 'REQUIRED').map(([key]) => key);
  // A field that is optional by itself is a oneof of one member.
  const choices = Object.values(oneofs).flatMap(({ oneof }) => (oneof.length > 1 ? [atMostOne(oneof)] : []));
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([key, field]) => [key, schemaOf(field, within)])),
    ...(required.length && { required }),
    ...(choices.length > 1 ? { allOf: choices } : choices[0]),
  };
}

function definition({ kind, group, versions, plural, shortNames }: KindRow<Kind>): object {
  const spec = `.${packageOf(kind, group)}.${kind}`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames.length && { shortNames }),
        categories: ['istio-io', group.replaceAll('.', '-')],
      },
      scope: 'Namespaced',
      versions: versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        subresources: { status: {} },
        additionalPrinterColumns: columns[kind] ?? [age],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: message(spec, [spec]), status: { type: 'object', ...anything } },
          },
        },
      })),
    },
  };
}

mkdirSync(folder, { recursive: true });
const header = '# Generated by proto/gen.sh; do not edit.\n';
const files: string[] = [];
for (const row of Object.values<KindRow<Kind>>(kinds)) {
  if (!row.group.endsWith('.istio.io')) continue;
  const file = `${row.plural}.${row.group}.yaml`;
  // No aliases: the versions' schemas are written out, as kubectl needs them.
  writeFileSync(
    join(folder, file),
    header + stringify(definition(row), { aliasDuplicateObjects: false, lineWidth: 0 }),
  );
  files.push(file);
}
const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: files.sort() };
writeFileSync(join(folder, 'kustomization.yaml'), header + stringify(kustomization));
