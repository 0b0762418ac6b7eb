import protobuf from 'protobufjs';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { typed, typeUrl } from '../../proto/any.ts';
import type { Secret } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { toCamelJson } from '../../proto/json.ts';
import { decode, encodeMessage, type MessageName } from '../../proto/message.ts';
import type { Connection } from '../../xds/connection.ts';
import type { OtherResource } from '../../xds/frame.ts';
import type { EncodedResource } from '../../xds/resource.ts';
import { resourceType, resourceTypes, type XdsType } from '../../xds/resource-types.ts';
import type { Answer } from '../page.ts';
import { each } from './view.ts';

/** istiod's short names of types, as `types` has them. */
const SHORT_NAMES: Readonly<Record<string, XdsType>> = {
  cds: 'cluster',
  lds: 'listener',
  rds: 'route',
  eds: 'endpoint',
  sds: 'secret',
  ecds: 'extension',
  nds: 'nameTable',
  pcds: 'trustBundle',
};

const typeOf = (text: string): XdsType | undefined =>
  SHORT_NAMES[text.toLowerCase()] ??
  Object.values(SHORT_NAMES).find(type => resourceTypes[type].typeUrl === text.trim());

const REDACTED = { inline_bytes: Buffer.from('[redacted]') };
const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** A Secret without what nobody but its proxy is to know: whatever it holds besides certificates. */
function redacted(secret: Secret): Secret {
  const { name } = secret;
  const named = name === undefined ? {} : { name };
  if (secret.tls_certificate) {
    const { password, ...pair } = secret.tls_certificate;
    return { ...named, tls_certificate: { ...pair, private_key: REDACTED, ...(password && { password: REDACTED }) } };
  }
  if (secret.validation_context) return secret;
  if (secret.session_ticket_keys) return { ...named, session_ticket_keys: { keys: [REDACTED] } };
  return { ...named, generic_secret: { secret: REDACTED } };
}

function shown(type: XdsType, { bytes }: EncodedResource): Any {
  if (type === 'secret') return typed(SECRET, redacted(decode(SECRET, bytes)));
  return { type_url: resourceTypes[type].typeUrl, value: bytes };
}

/** A resource as JSON; one whose parts are a list that can be long, such as the virtual hosts of a port, is made part by part. */
function json(type: XdsType, resource: EncodedResource): unknown {
  const { fragments } = resourceType(type);
  if (!fragments) return toCamelJson('google.protobuf.Any', shown(type, resource));
  return () => {
    const { head, parts } = apart(resource.bytes, fragments.number);
    const whole = toCamelJson('google.protobuf.Any', { type_url: resourceType(type).typeUrl, value: head });
    const list = each(parts, part => messageJson(fragments.message, part));
    return { ...(whole as object), ...(parts.length && { [camel(fragments.field)]: list }) };
  };
}

const messageJson = <N extends MessageName>(name: N, bytes: Uint8Array): unknown =>
  toCamelJson(name, decode(name, bytes));

/** The bytes of a message without a repeated field, and those of the field's items. */
function apart(bytes: Buffer, field: number): { readonly head: Buffer; readonly parts: readonly Uint8Array[] } {
  const reader = protobuf.Reader.create(bytes);
  const head: Buffer[] = [];
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const tag = reader.uint32();
    if (tag === ((field << 3) | 2)) parts.push(reader.bytes());
    else {
      reader.skipType(tag & 7);
      head.push(bytes.subarray(from, reader.pos));
    }
  }
  return { head: Buffer.concat(head), parts };
}

/** A part of a dump: its message, the type of its resources, and how it has each of them. */
interface Part {
  readonly message: `${'Bootstrap' | 'Clusters' | 'Ecds' | 'Endpoints' | 'Listeners' | 'Routes' | 'ScopedRoutes' | 'Secrets'}ConfigDump`;
  readonly type?: XdsType;
  /** The list's field. */
  readonly list?: string;
  /** The resource's field in an item of it. */
  readonly item?: string;
  /** Whether what is in force stands below `active_state`, with the name beside it. */
  readonly states?: true;
}

/** As istiod orders them; endpoints are told on request. */
const PARTS: readonly Part[] = [
  { message: 'BootstrapConfigDump' },
  { message: 'ClustersConfigDump', type: 'cluster', list: 'dynamic_active_clusters', item: 'cluster' },
  { message: 'EndpointsConfigDump', type: 'endpoint', list: 'dynamic_endpoint_configs', item: 'endpoint_config' },
  { message: 'ListenersConfigDump', type: 'listener', list: 'dynamic_listeners', item: 'listener', states: true },
  { message: 'ScopedRoutesConfigDump' },
  { message: 'RoutesConfigDump', type: 'route', list: 'dynamic_route_configs', item: 'route_config' },
  { message: 'SecretsConfigDump', type: 'secret', list: 'dynamic_active_secrets', item: 'secret' },
  { message: 'EcdsConfigDump', type: 'extension', list: 'ecds_filters', item: 'ecds_filter' },
];

const partsOf = (includeEds: boolean): readonly Part[] => PARTS.filter(part => includeEds || part.type !== 'endpoint');

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Clusters and listeners have a version as a whole, too. */
const versionOf = (connection: Connection<Proxy>, { type }: Part): string | undefined =>
  type === 'cluster' || type === 'listener' ? connection.status().find(t => t.type === type)?.versionSent : undefined;

function partJson(connection: Connection<Proxy>, part: Part): object {
  const { message, type, list = '', item = '', states } = part;
  const head = { '@type': typeUrl(`envoy.admin.v3.${message}`), versionInfo: versionOf(connection, part) };
  if (!type) return head;
  const resources = connection.held(type);
  if (!resources.length) return head;
  const items = each(resources, resource => {
    const state = { versionInfo: resource.version, [camel(item)]: json(type, resource) };
    if (states) return { name: resource.name, activeState: state };
    return resourceType(type).fragments ? () => state : state;
  });
  return { ...head, [camel(list)]: items };
}

function partMessage(connection: Connection<Proxy>, part: Part): Buffer {
  const { message, type, list = '', item = '', states } = part;
  const version_info = versionOf(connection, part);
  const items = (type ? connection.held(type) : []).map(resource => {
    const state = { version_info: resource.version, [item]: shown(type as XdsType, resource) };
    return states ? { name: resource.name, active_state: state } : state;
  });
  return encodeMessage(`envoy.admin.v3.${message}`, {
    ...(version_info !== undefined && { version_info }),
    ...(list && { [list]: items }),
  });
}

/** What a proxy holds, as Envoy's own /config_dump has it (`envoy.admin.v3.ConfigDump`): all but endpoints, which `include_eds` adds, or the resources of `types`. */
export function configDump(connection: Connection<Proxy>, query: URLSearchParams): Answer {
  const types = query.get('types');
  if (types) return resourcesOf(connection, types);
  const configs = each(partsOf(query.has('include_eds')), part => partJson(connection, part));
  return { body: { configs } };
}

/** What a proxy holds of types, which are named shortly or by their URLs, with commas. */
export function resourcesOf(connection: Connection<Proxy>, types: string): Answer {
  const known = [...new Set(types.split(',').flatMap(text => typeOf(text) ?? []))];
  const held = known.flatMap(type => connection.held(type).map(resource => ({ type, resource })));
  return { body: held.length ? { configs: each(held, ({ type, resource }) => json(type, resource)) } : {} };
}

/** The parts of the same dump as resources of `istio.io/debug/config_dump`. */
export function* configDumpParts(connection: Connection<Proxy>): Generator<OtherResource> {
  for (const part of partsOf(false))
    yield { typeUrl: typeUrl(`envoy.admin.v3.${part.message}`), name: '', value: partMessage(connection, part) };
}
