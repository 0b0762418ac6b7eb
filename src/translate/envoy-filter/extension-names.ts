import { type EnvoyBuild, hasExtension, packageOf } from '../../model/proxy/traits.ts';
import { typeName } from '../../proto/any.ts';
import { isObject, type Json } from '../../unknown.ts';

/** Filters of Istio's own build of Envoy, by the messages that configure them. */
const istio: Readonly<Record<string, readonly string[]>> = {
  'envoy.tcp.metadataexchange.config.MetadataExchange': [
    'istio.metadata_exchange',
    'envoy.filters.network.metadata_exchange',
  ],
  'io.istio.http.peer_metadata.Config': ['envoy.filters.http.peer_metadata'],
  'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig': ['istio.alpn', 'envoy.filters.http.alpn'],
  'stats.PluginConfig': ['envoy.filters.http.istio_stats', 'envoy.filters.network.istio_stats'],
};

/** `envoy.extensions.filters.http.lua.v3.Lua` configures `envoy.filters.http.lua`; other families do not follow a rule. */
const filter = /^envoy\.extensions\.(filters\.(?:http|network|listener)\.\w+)\.v\d\w*\.\w+$/;

/** Packages of which a Node names the messages where the build has the extension: of some other families Envoy leaves messages out. */
const listed =
  /^envoy\.extensions\.(?:(?:filters\.(?:http|network|listener|udp)|access_loggers|clusters|compression|formatter|health_checkers|load_balancing_policies|matching\.input_matchers|network|stat_sinks|tracers|transport_sockets(?!\.tls))\.(?!.*\.action\.)|.*\.v\d+alpha)/;

/** The extensions of Envoy that take a message, where a build has none of them; empty where it has one or that is not known. */
export function missingExtensions(build: EnvoyBuild, message: string): readonly string[] {
  const known = Object.hasOwn(istio, message) ? istio[message] : undefined;
  if (known) return known.some(name => build.extensions?.includes(name)) ? [] : known;
  const pkg = packageOf(message);
  if (build.configPackages?.includes(pkg)) return [];
  const name = filter.exec(message)?.[1];
  if (name) return hasExtension(build, `envoy.${name}`) ? [] : [`envoy.${name}`];
  return build.configPackages && listed.test(pkg) ? [pkg] : [];
}

/** A message that is named in a JSON form. */
export interface NamedMessage {
  readonly path: string;
  readonly name: string;
}

/** The messages that Anys in a JSON form are of, TypedStructs looked into, and those that are to be asked for over ECDS. */
export function namedMessages(json: Json | undefined, path: string): readonly NamedMessage[] {
  if (Array.isArray(json)) return json.flatMap((item: Json, i) => namedMessages(item, `${path}[${i}]`));
  if (!isObject(json)) return [];
  const { '@type': url } = json;
  const isStruct = typeof url === 'string' && typeName(url).endsWith('.TypedStruct');
  const own = isStruct ? (json['type_url'] ?? json['typeUrl']) : url;
  const asked = json['type_urls'] ?? json['typeUrls'];
  const urls = [own, ...(Array.isArray(asked) ? asked : [])].filter(item => typeof item === 'string');
  const below = isStruct ? [] : Object.entries(json).flatMap(([key, item]) => namedMessages(item, `${path}.${key}`));
  return [...urls.map(item => ({ path, name: typeName(item) })), ...below];
}
