import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ConfigContents } from '../../src/config/store.ts';
import type { KubePod } from '../../src/istio/kubernetes.ts';
import { nodeLocality } from '../../src/model/endpoints/locality.ts';
import { workloadName } from '../../src/model/endpoints/pods.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { fromJson } from '../../src/proto/json.ts';
import { readYaml } from './folder.ts';
import { isFields, type JsonFields, member } from './json.ts';

/** A proxy as a case names it. `json` is its Node message in proto JSON. */
export interface NamedProxy {
  readonly name: string;
  readonly json: JsonFields;
}

/** What `proxies.yaml` may say of a proxy beside its name, which is `pod.namespace` unless `pod` says otherwise. */
interface ProxyOptions {
  readonly pod: string;
  readonly type: 'sidecar' | 'router';
  /** Whether Istio's agent stands beside it. */
  readonly agent: boolean;
  /** Over what the pod gives; null takes away. */
  readonly metadata: JsonFields;
  /** `1.40.0` */
  readonly envoy: string;
}

function optionsOf(name: string, value: unknown): ProxyOptions {
  const type = member(value, 'type');
  const metadata = member(value, 'metadata');
  return {
    pod: String(member(value, 'pod') ?? name),
    type: type === 'router' ? 'router' : 'sidecar',
    agent: member(value, 'agent') !== false,
    metadata: isFields(metadata) ? metadata : {},
    envoy: String(member(value, 'envoy') ?? '1.40.0'),
  };
}

/** What pilot-agent makes of the pod it stands in (`agent`), or `pilotlight bootstrap` for a stock Envoy. */
function metadataOf(pod: KubePod, { type, agent, metadata }: ProxyOptions): JsonFields {
  const { meta } = pod;
  const found: Record<string, unknown> = {
    CLUSTER_ID: 'Kubernetes',
    INSTANCE_IPS: pod.ips.join(),
    ...(type === 'sidecar' && { INTERCEPTION_MODE: 'REDIRECT' }),
    LABELS: meta.labels,
    NAME: meta.name,
    NAMESPACE: meta.namespace,
    NODE_NAME: pod.node,
    SERVICE_ACCOUNT: pod.serviceAccount || 'default',
    WORKLOAD_NAME: workloadName(pod),
    ...(agent && { ISTIO_VERSION: '1.31.0', MESH_ID: 'cluster.local', PILOT_SAN: ['istiod.istio-system.svc'] }),
    ...(agent && Object.keys(meta.annotations).length > 0 && { ANNOTATIONS: meta.annotations }),
    ...metadata,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== null));
}

function nodeJson(contents: ConfigContents, options: ProxyOptions): JsonFields {
  const dot = options.pod.lastIndexOf('.');
  const [name, namespace] =
    dot < 0 ? [options.pod, 'default'] : [options.pod.slice(0, dot), options.pod.slice(dot + 1)];
  const pod = [...contents.Pod.values()].find(({ meta }) => meta.name === name && meta.namespace === namespace);
  if (!pod) throw new Error(`there is no pod ${name} in ${namespace}`);
  const node = [...contents.Node.values()].find(({ meta }) => meta.name === pod.node);
  const { region, zone, subzone } = node ? nodeLocality(node) : { region: '', zone: '', subzone: '' };
  const [major, minor, patch] = options.envoy.split('.').map(Number);
  return {
    id: `${options.type}~${pod.ips[0]}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${pod.meta.labels['app'] ?? name}.${namespace}`,
    metadata: metadataOf(pod, options),
    // Agents learn the locality from the control plane's answer about the Kubernetes node; a stock bootstrap says it.
    ...(!options.agent && region && { locality: { region, zone, sub_zone: subzone } }),
    user_agent_name: 'envoy',
    user_agent_build_version: { version: { major_number: major, minor_number: minor, patch } },
  };
}

/**
 * The proxies of a case: those that `proxies.yaml` lists (pods, with options or without), and Node messages in `nodes/*.json`. Sorted by name.
 */
export function proxiesOf(folder: string, contents: ConfigContents): readonly NamedProxy[] {
  const listed = readYaml(join(folder, 'proxies.yaml'));
  const found: NamedProxy[] = Object.entries(isFields(listed) ? listed : {}).map(([name, value]) => ({
    name,
    json: nodeJson(contents, optionsOf(name, value)),
  }));
  for (const file of nodeFiles(folder)) {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!isFields(json)) throw new Error(`${file} is no Node message`);
    found.push({ name: basename(file, '.json'), json });
  }
  if (found.length === 0) throw new Error(`${folder} names no proxy: it needs a proxies.yaml or nodes/NAME.json`);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function nodeFiles(folder: string): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  if (!entries.some(entry => entry.isDirectory() && entry.name === 'nodes')) return [];
  return readdirSync(join(folder, 'nodes')).map(name => join(folder, 'nodes', name));
}

/** The Node message of a proxy. Throws where it is none. */
export function nodeOf({ name, json }: NamedProxy): Node {
  const { value, problems } = fromJson('envoy.config.core.v3.Node', json);
  const [problem] = problems;
  if (problem) throw new Error(`${name}: ${problem.path}: ${problem.message}`);
  return value;
}

/** The proxy as the control plane sees it. */
export function proxyOf(named: NamedProxy): Proxy {
  const parsed = parseNode(nodeOf(named));
  if (!parsed.ok) throw new Error(`${named.name}: ${parsed.message}`);
  return parsed.proxy;
}

/** Whether Istio's agent stands beside a proxy. */
export const hasAgent = (proxy: Proxy): boolean => proxy.class.istioVersion !== '';
