import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { kindOf } from '../../src/config/kinds.ts';
import { problemLine } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { type Identity, identify } from '../../src/model/identify.ts';
import { buildMesh, type MeshModel } from '../../src/model/mesh.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import type { Struct, Value } from '../../src/proto/generated/google/protobuf.ts';

export const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };

/** The objects of YAML text. */
export const objectsOf = (yaml: string): readonly RawObject[] =>
  parseAllDocuments(yaml)
    .map(document => document.toJS() as RawObject | null)
    .filter(object => object !== null);

/** A mesh that objects can be put into and taken from, one after the other. */
export class World {
  readonly store = new ConfigStore();
  mesh: MeshModel;

  constructor(yaml = '') {
    for (const object of objectsOf(yaml)) this.store.apply({ op: 'upsert', object });
    this.mesh = buildMesh(this.store.contents(), options);
  }

  /** Applies YAML and builds the next mesh. */
  apply(yaml: string): this {
    return this.applyObjects(objectsOf(yaml));
  }

  applyObjects(objects: readonly RawObject[]): this {
    for (const object of objects) {
      if (!kindOf(object)) throw new Error(`unknown kind ${object.apiVersion} ${object.kind}`);
      this.store.apply({ op: 'upsert', object });
    }
    const invalid = [...this.store.contents().problems.values()].flat().filter(p => p.severity === 'error');
    if (invalid.length) throw new Error(invalid.map(problemLine).join('\n'));
    return this.rebuild();
  }

  delete(kind: Parameters<typeof kindOf>[0]['kind'], namespace: string, name: string): this {
    this.store.apply({ op: 'delete', kind: kind as 'Service', namespace, name });
    return this.rebuild();
  }

  rebuild(): this {
    this.mesh = buildMesh(this.store.contents(), options, this.mesh);
    return this;
  }

  identify(id: string, metadata: Readonly<Record<string, unknown>> = {}): Identity {
    return identify(this.mesh, proxy(id, metadata));
  }
}

const toValue = (value: unknown): Value => {
  if (typeof value === 'string') return { string_value: value };
  if (typeof value === 'number') return { number_value: value };
  if (typeof value === 'boolean') return { bool_value: value };
  if (Array.isArray(value)) return { list_value: { values: value.map(toValue) } };
  return { struct_value: toStruct(value as object) };
};
const toStruct = (value: object): Struct => ({
  fields: Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toValue(item)])),
});

/** A Node message. */
export const node = (id: string, metadata: object = {}, more: Partial<Node> = {}): Node =>
  ({ id, metadata: toStruct(metadata), ...more }) as Node;

/** A proxy by `type~ip~name.namespace`. */
export function proxy(id: string, metadata: object = {}): Proxy {
  const full = id.split('~').length === 4 ? id : `${id}~x.svc.cluster.local`;
  const parsed = parseNode(node(full, metadata));
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
}

/** The bookinfo sample. */
export const bookinfo = (): string => {
  const folder = join(import.meta.dirname, '../../deploy/samples/bookinfo');
  return readdirSync(folder)
    .filter(file => file.endsWith('.yaml') && file !== 'meshconfig.yaml')
    .map(file => readFileSync(join(folder, file), 'utf8'))
    .join('\n---\n');
};

type Fields = Readonly<Record<string, unknown>>;

/** A raw object; `name` is `name` (in namespace default) or `name.namespace`. `more` has labels, annotations and created. */
export function raw(apiVersion: string, kind: string, name: string, body: Fields, more: Fields = {}): RawObject {
  const [short = '', namespace = 'default'] = name.split('.');
  const { created, ...metadata } = more;
  return {
    apiVersion,
    kind,
    metadata: {
      name: short,
      namespace,
      ...(created !== undefined && { creationTimestamp: `2026-01-01T00:00:${String(created).padStart(2, '0')}Z` }),
      ...metadata,
    },
    ...body,
  } as RawObject;
}

/** A Service with HTTP on port 80; `spec` overrides. */
export const service = (name: string, spec: Fields = {}, more: Fields = {}): RawObject =>
  raw(
    'v1',
    'Service',
    name,
    {
      spec: {
        clusterIP: '10.0.0.1',
        selector: { app: name.split('.')[0] },
        ports: [{ name: 'http', port: 80 }],
        ...spec,
      },
    },
    more,
  );

/** A ready Pod of the app that its name starts with (`app-1`). */
export const pod = (name: string, ip: string, spec: Fields = {}, more: Fields = {}): RawObject =>
  raw(
    'v1',
    'Pod',
    name,
    {
      spec: { nodeName: 'node-1', serviceAccountName: 'sa', ...spec },
      status: { podIP: ip, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    },
    {
      labels: { app: name.split('-')[0] },
      ownerReferences: [{ controller: true, kind: 'StatefulSet', name: name.split('-')[0] }],
      ...more,
    },
  );

/** A slice of a Service (`service`, or `service.namespace`) with port http 8080. */
export const slice = (of: string, endpoints: readonly unknown[], body: Fields = {}, name = of): RawObject =>
  raw(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    name,
    {
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints,
      ...body,
    },
    { labels: { 'kubernetes.io/service-name': of.split('.')[0] } },
  );

/** An endpoint of a slice that is a pod. */
export const ofPod = (name: string, ip: string, conditions: Fields = {}): unknown => ({
  addresses: [ip],
  conditions,
  targetRef: { kind: 'Pod', name },
});

/** An object of networking.istio.io. */
export const networking = (kind: string, name: string, spec: Fields, more: Fields = {}): RawObject =>
  raw('networking.istio.io/v1', kind, name, { spec }, more);

/** An object of security.istio.io. */
export const security = (kind: string, name: string, spec: Fields, more: Fields = {}): RawObject =>
  raw('security.istio.io/v1', kind, name, { spec }, more);

/** A world of objects. */
export const world = (...objects: readonly RawObject[]): World => new World().applyObjects(objects);
