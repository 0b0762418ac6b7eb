import type { Proxy } from '../../model/proxy/proxy.ts';
import { typeUrl } from '../../proto/any.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { each, type LateJson, lateAny, pause } from '../../proto/json.ts';
import { redactedInParts } from '../../proto/redact.ts';
import type { Connection, Held } from '../../xds/connection.ts';
import type { LongResource } from '../../xds/long-answer.ts';
import type { EncodedResource } from '../../xds/resource.ts';
import { pushOrder, resourceTypes, type XdsType, xdsTypeOf } from '../../xds/resource-types.ts';
import type { Answer } from '../page.ts';
import { DumpMessage } from './dump-message.ts';

/** A type by its short name or its URL, as `types` has it. */
const typeOf = (text: string): XdsType | undefined =>
  pushOrder.find(type => resourceTypes[type].shortName === text.toLowerCase()) ?? xdsTypeOf(text.trim());

const ENVOY_FILTER = /^EnvoyFilter\//;
/** What is in all messages with the token of a tracer. */
const TRACER = 'envoy.config.trace';

/** A resource without what nobody but its proxy is to know. What is made here has it in Secrets and in tracers; patches may have it anywhere. */
function* shown(type: XdsType, { bytes, sources }: EncodedResource): Generator<typeof pause, Any> {
  const { typeUrl: type_url, message } = resourceTypes[type];
  const mayTell = type === 'secret' || bytes.includes(TRACER) || sources.some(key => ENVOY_FILTER.test(key));
  if (!mayTell) return { type_url, value: bytes };
  const parts = redactedInParts(message, bytes);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return { type_url, value };
    yield pause;
  }
}

const json = (type: XdsType, { bytes }: EncodedResource): LateJson =>
  lateAny({ type_url: resourceTypes[type].typeUrl, value: bytes });

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
const versionOf = (held: Held, { type }: Part): string | undefined =>
  type === 'cluster' || type === 'listener' ? held.version(type) : undefined;

function partJson(held: Held, part: Part): LateJson {
  const { message, type, list = '', item = '', states } = part;
  const head = { '@type': typeUrl(`envoy.admin.v3.${message}`), versionInfo: versionOf(held, part) };
  if (!type) return head;
  return withList(head, camel(list), held.resources(type), resource => {
    const state = { versionInfo: resource.version, [camel(item)]: json(type, resource) };
    return states ? { name: resource.name, activeState: state } : state;
  });
}

/** An object with a list, if there is anything in it. */
const withList = <T>(head: object, name: string, items: Iterable<T>, make: (item: T) => LateJson): LateJson => {
  for (const _ of items) return { ...head, [name]: each(items, make) };
  return head;
};

/** What a proxy holds, as Envoy's own /config_dump has it (`envoy.admin.v3.ConfigDump`): all but endpoints, which `include_eds` adds, or the resources of `types`. */
export function configDump(connection: Connection<Proxy>, query: URLSearchParams): Answer {
  const types = query.get('types');
  if (types) return resourcesOf(connection, types);
  const held = connection.held();
  return { body: { configs: each(partsOf(query.has('include_eds')), part => partJson(held, part)) } };
}

/** What a proxy holds of types, which are named shortly or by their URLs, with commas. */
export function resourcesOf(connection: Connection<Proxy>, types: string): Answer {
  const held = connection.held();
  const known = new Set(types.split(',').flatMap(text => typeOf(text) ?? []));
  const resources: Iterable<readonly [XdsType, EncodedResource]> = {
    *[Symbol.iterator]() {
      for (const type of known) for (const resource of held.resources(type)) yield [type, resource];
    },
  };
  return { body: withList({}, 'configs', resources, ([type, resource]) => json(type, resource)) };
}

/** The parts of the same dump as resources of `istio.io/debug/config_dump`. */
export function* configDumpParts(connection: Connection<Proxy>): Generator<LongResource | typeof pause> {
  const held = connection.held();
  for (const part of partsOf(false)) {
    const { message, type, list = '', item = '', states } = part;
    const dump = new DumpMessage(`envoy.admin.v3.${message}`, versionOf(held, part));
    for (const resource of type ? held.resources(type) : []) {
      const any = yield* shown(type as XdsType, resource);
      dump.add({ list, item, ...(states && { state: 'active_state' }) }, resource, any);
      yield pause;
    }
    const { size, kept, chunks } = dump;
    yield { typeUrl: typeUrl(`envoy.admin.v3.${message}`), name: '', size, kept, chunks };
  }
}
