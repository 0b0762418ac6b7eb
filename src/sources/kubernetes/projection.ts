import type { RawMeta, RawObject } from '../../config/raw.ts';
import { fieldsOf, listOf } from '../../unknown.ts';

type Fields = Readonly<Record<string, unknown>>;

const pick = (value: unknown, ...names: readonly string[]): Fields => {
  const from = fieldsOf(value);
  const picked: Record<string, unknown> = {};
  for (const name of names) if (from[name] !== undefined) picked[name] = from[name];
  return picked;
};

// Annotations that other controllers write and nobody here reads; the second changes with each endpoint update, whatever it holds.
const UNREAD_ANNOTATIONS = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
]);

/** Per kind, what is read of an object beside its metadata. Kinds that are not here keep `spec`. */
const READ: Readonly<Record<string, (object: Fields) => Fields>> = {
  Namespace: () => ({}),
  Node: ({ status }) => ({
    status: { ...pick(status, 'addresses'), nodeInfo: pick(fieldsOf(status)['nodeInfo'], 'kubeletVersion') },
  }),
  Service: ({ spec, status }) => ({ spec, status: pick(status, 'loadBalancer') }),
  EndpointSlice: ({ addressType, endpoints, ports }) => ({
    addressType,
    endpoints: listOf(endpoints).map(endpoint),
    ports,
  }),
  Endpoints: object => pick(object, 'subsets'),
  Pod: pod,
  ConfigMap: object => pick(object, 'data'),
  Secret: object => pick(object, 'type', 'data'),
  MutatingWebhookConfiguration: object => ({ webhooks: listOf(fieldsOf(object)['webhooks']).map(webhook) }),
  // istiod writes the addresses it allocates for hosts that have none into the status.
  ServiceEntry: ({ spec, status }) => ({ spec, status: pick(status, 'addresses') }),
  // The agent's health checks are written as a condition.
  WorkloadEntry: ({ spec, status }) => ({ spec, status: pick(status, 'conditions') }),
};

/**
 * What is kept of an object that the API server sends: the fields that are read, in the names they have there. Managed fields alone are
 * often half of an object, and most of a Pod or Node is of no use here. Lists leave out apiVersion and kind, so they are given.
 */
export function project(object: unknown, kind: string, apiVersion: string): RawObject {
  const from = fieldsOf(object);
  const read = READ[kind];
  return { apiVersion, kind, metadata: metadata(from['metadata'], kind), ...(read ? read(from) : pick(from, 'spec')) };
}

function metadata(value: unknown, kind: string): RawMeta {
  const meta = pick(value, 'name', 'namespace', 'labels', 'creationTimestamp', 'resourceVersion', 'uid', 'generation');
  const annotations = Object.entries(fieldsOf(fieldsOf(value)['annotations'])).filter(
    ([name]) => !UNREAD_ANNOTATIONS.has(name),
  );
  return {
    name: '',
    ...meta,
    ...(annotations.length &&
      kind !== 'Node' && { annotations: Object.fromEntries(annotations) as Record<string, string> }),
    ...(kind === 'Pod' && {
      ...pick(value, 'deletionTimestamp'),
      ownerReferences: listOf(fieldsOf(value)['ownerReferences']).map(owner =>
        pick(owner, 'kind', 'name', 'controller'),
      ),
    }),
  };
}

const endpoint = (value: unknown): Fields => {
  const kept = pick(value, 'addresses', 'conditions', 'hostname', 'nodeName', 'zone');
  const target = fieldsOf(value)['targetRef'];
  return target ? { ...kept, targetRef: pick(target, 'kind', 'name', 'namespace') } : kept;
};

const webhook = (value: unknown): Fields => ({
  ...pick(value, 'name', 'namespaceSelector', 'objectSelector'),
  clientConfig: pick(fieldsOf(value)['clientConfig'], 'caBundle'),
});

function pod({ spec, status }: Fields): Fields {
  const listed = (list: string): readonly Fields[] =>
    listOf(fieldsOf(spec)[list]).map(container => pick(container, 'name', 'image', 'ports', 'restartPolicy'));
  const containers = listed('containers').map(({ restartPolicy, ...container }) => container);
  const native = listed('initContainers').filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ready = listOf(fieldsOf(status)['conditions']).filter(condition => fieldsOf(condition)['type'] === 'Ready');
  return {
    spec: {
      ...pick(spec, 'nodeName', 'serviceAccountName', 'hostNetwork', 'hostname', 'subdomain'),
      containers,
      ...(native.length > 0 && { initContainers: native }),
    },
    status: {
      ...pick(status, 'phase', 'podIP', 'podIPs'),
      conditions: ready.map(condition => pick(condition, 'type', 'status')),
    },
  };
}
