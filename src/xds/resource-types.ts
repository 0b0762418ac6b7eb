import type { MessageTypes } from '../proto/generated/registry.ts';

/** The kinds of resources that are served, named as the aggregated service's types. */
export type XdsType =
  | 'cluster'
  | 'endpoint'
  | 'secret'
  | 'extension'
  | 'listener'
  | 'route'
  | 'nameTable'
  | 'trustBundle';

/** A repeated message field that is encoded element by element and remembered by the element's identity. */
export interface Fragments {
  readonly field: string;
  readonly number: number;
  readonly message: keyof MessageTypes;
}

/** All that the protocol needs to know about a type of resource. Adding a type is adding a row. */
interface ResourceType {
  /** As tools and metrics call it: `cds`. */
  readonly shortName: string;
  readonly message: keyof MessageTypes;
  readonly typeUrl: string;
  /** Root types are whole in every State-of-the-World response: what is absent is removed. Leaf types may be partial. */
  readonly root: boolean;
  /** Whether a first request without names asks for everything, as it does where Envoy or pilot-agent never names any. */
  readonly wildcard: boolean;
  /** Whether changes wait until the clusters that they may name, and those clusters' endpoints, are acknowledged. */
  readonly gated: boolean;
  /**
   * When a resource that is no longer wanted is taken away: at once; after the types listed have been acknowledged without it, so that
   * nothing names it any more; or never, because the client drops what nothing refers to.
   *
   * A listener goes at once: nothing names it, and Envoy can only accept another listener on the same address in the very response that
   * removes the first. An ECDS extension is never removed (https://github.com/envoyproxy/envoy/issues/32823).
   */
  readonly removal: 'at once' | 'never' | readonly XdsType[];
  /** The type whose resources of the same name, when they change, make the client wait for this type to be sent again. */
  readonly warms?: XdsType;
  readonly fragments?: Fragments;
}

const prefix = 'type.googleapis.com/';

const row = <M extends keyof MessageTypes>(
  shortName: string,
  message: M,
  columns: Omit<ResourceType, 'shortName' | 'message' | 'typeUrl'> & {
    readonly nameOf: (message: MessageTypes[M]) => string;
  },
) => ({ shortName, message, typeUrl: prefix + message, ...columns });

/** One row a type. */
export const resourceTypes = {
  cluster: row('cds', 'envoy.config.cluster.v3.Cluster', {
    root: true,
    wildcard: true,
    gated: false,
    removal: ['listener', 'route'],
    nameOf: m => m.name ?? '',
  }),
  endpoint: row('eds', 'envoy.config.endpoint.v3.ClusterLoadAssignment', {
    root: false,
    wildcard: false,
    gated: false,
    removal: ['cluster'],
    warms: 'cluster',
    nameOf: m => m.cluster_name ?? '',
  }),
  secret: row('sds', 'envoy.extensions.transport_sockets.tls.v3.Secret', {
    root: false,
    wildcard: false,
    gated: false,
    removal: 'at once',
    nameOf: m => m.name ?? '',
  }),
  extension: row('ecds', 'envoy.config.core.v3.TypedExtensionConfig', {
    root: false,
    wildcard: false,
    gated: false,
    removal: 'never',
    nameOf: m => m.name ?? '',
  }),
  listener: row('lds', 'envoy.config.listener.v3.Listener', {
    root: true,
    wildcard: true,
    gated: true,
    removal: 'at once',
    nameOf: m => m.name ?? '',
  }),
  route: row('rds', 'envoy.config.route.v3.RouteConfiguration', {
    root: false,
    wildcard: false,
    gated: true,
    removal: ['listener'],
    fragments: { field: 'virtual_hosts', number: 2, message: 'envoy.config.route.v3.VirtualHost' },
    nameOf: m => m.name ?? '',
  }),
  nameTable: row('nds', 'istio.networking.nds.v1.NameTable', {
    root: false,
    wildcard: true,
    gated: false,
    removal: 'at once',
    nameOf: () => 'nameTable',
  }),
  trustBundle: row('pcds', 'istio.mesh.v1alpha1.ProxyConfig', {
    root: false,
    wildcard: true,
    gated: false,
    removal: 'at once',
    nameOf: () => 'trustBundle',
  }),
} as const satisfies Record<XdsType, ResourceType & { readonly nameOf: (message: never) => string }>;

/** The message of each type. */
export type XdsMessage<T extends XdsType> = MessageTypes[(typeof resourceTypes)[T]['message']];

/** A type's row, without what differs in its TypeScript type from row to row. */
export const resourceType = (type: XdsType): ResourceType => resourceTypes[type];

/**
 * The order in which what is new is sent, so that nothing is named before it is there: clusters and their endpoints, what listeners need,
 * listeners, routes.
 */
export const pushOrder = [
  'cluster',
  'endpoint',
  'secret',
  'extension',
  'listener',
  'route',
  'nameTable',
  'trustBundle',
] as const satisfies readonly XdsType[];

const warming = pushOrder.flatMap(type => {
  const { warms } = resourceType(type);
  return warms ? [{ type, warms }] : [];
})[0];
if (!warming) throw new Error('no type warms another');

/** The type whose resources the client takes into use only when they are warm, and acknowledges then: Envoy's clusters. */
export const warmedType = warming.warms;
/** The type that warms them. */
export const warmingType = warming.type;

/** Types before those that they may name or be warmed by, so that it is known of each whether anything still names what is no more. */
export const namingOrder: readonly XdsType[] = (() => {
  const order: XdsType[] = [];
  const add = (type: XdsType): void => {
    if (order.includes(type)) return;
    const { removal, warms } = resourceType(type);
    for (const first of [...(typeof removal === 'string' ? [] : removal), ...(warms ? [warms] : [])]) add(first);
    order.push(type);
  };
  for (const type of pushOrder) add(type);
  return order;
})();

const byUrl = new Map<string, XdsType>(pushOrder.map(type => [resourceTypes[type].typeUrl, type]));

/** The type behind a type URL; undefined for one that is not served. */
export const xdsTypeOf = (typeUrl: string): XdsType | undefined => byUrl.get(typeUrl);
