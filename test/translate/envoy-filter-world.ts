import { identify } from '../../src/model/identify.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import { toJson } from '../../src/proto/json.ts';
import { encodeMessage } from '../../src/proto/message.ts';
import { type Translation, translate } from '../../src/translate/translate.ts';
import { node, type World } from '../model/support.ts';
import { ROUTER, SHOP, SIDECAR, type Who, world } from './clusters-world.ts';

/** What the tests patch: a client, a shop, and a Gateway with routes to the shop. */
export const MESH = `${SHOP}---
apiVersion: v1
kind: Service
metadata: {name: gate, namespace: default}
spec: {clusterIP: 10.96.0.3, selector: {app: client}, ports: [{name: http, port: 80, targetPort: 8081}, {name: https, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gate, namespace: default}
spec:
  selector: {app: client}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [s.example.com], tls: {mode: SIMPLE, credentialName: c}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: gate, namespace: default}
spec:
  hosts: [a.example.com, s.example.com]
  gateways: [gate]
  http:
  - {name: cart, match: [{uri: {prefix: /cart}}], redirect: {uri: /basket}}
  - {name: main, route: [{destination: {host: shop}}]}
`;

/** An EnvoyFilter in the namespace default; `patches` are the items of configPatches in YAML's flow style. */
export const filter = (name: string, patches: readonly string[], more = '', namespace = 'default'): string => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${more}configPatches: [${patches.join(', ')}]}
`;

/** The translation for a proxy. */
export function translationFor(w: World, who: Who): Translation {
  const extensions = who.extensions?.map(name => ({ name }));
  const parsed = parseNode(node(`${who.id}~default.svc.cluster.local`, who.metadata, extensions && { extensions }));
  if (!parsed.ok) throw new Error(parsed.message);
  return translate(identify(w.mesh, parsed.proxy), w.mesh);
}

/** The translation of {@link MESH} with EnvoyFilters, for a sidecar or another proxy. */
export const patched = (filters: readonly string[], who: Who = SIDECAR): Translation =>
  translationFor(world(MESH, ...filters), who);

/** {@link patched} for the gateway. */
export const patchedGateway = (filters: readonly string[]): Translation => patched(filters, ROUTER);

type Json = { readonly [key: string]: unknown };

/** A resource as proto JSON. Throws where there is none. */
export function resource(t: Translation, list: 'clusters' | 'listeners' | 'routes' | 'extensions', name: string): Json {
  const found = t[list].find(r => r.name === name);
  if (!found) throw new Error(`no ${name} in ${t[list].map(r => r.name).join(' ')}`);
  const messages = {
    clusters: 'envoy.config.cluster.v3.Cluster',
    listeners: 'envoy.config.listener.v3.Listener',
    routes: 'envoy.config.route.v3.RouteConfiguration',
    extensions: 'envoy.config.core.v3.TypedExtensionConfig',
  } as const;
  return toJson(messages[list], found.message as never) as Json;
}

/** What is at a path: `filter_chains[0].filters[0].name`; undefined where nothing is. */
export function at(json: unknown, path: string): unknown {
  let found: unknown = json;
  for (const step of path.split(/[.[\]]+/).filter(Boolean))
    found = typeof found === 'object' && found !== null ? Reflect.get(found, step) : undefined;
  return found;
}

/** The names of the objects in a list at a path. */
export const namesAt = (json: unknown, path: string): readonly unknown[] => {
  const list = path ? at(json, path) : json;
  return Array.isArray(list) ? list.map(item => at(item, 'name')) : [];
};

/** Everything as bytes, which also proves that it can be encoded. */
export function encoded(t: Translation): readonly (readonly [string, string])[] {
  const of = (name: string, list: readonly { readonly name: string; readonly message: object }[]) =>
    list.map(r => [r.name, encodeMessage(name, { ...r.message }).toString('base64')] as const);
  return [
    ...of('envoy.config.cluster.v3.Cluster', t.clusters),
    ...of('envoy.config.listener.v3.Listener', t.listeners),
    ...of('envoy.config.route.v3.RouteConfiguration', t.routes),
    ...of('envoy.config.core.v3.TypedExtensionConfig', t.extensions),
  ];
}
