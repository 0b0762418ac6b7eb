import { entry } from '../config/report.ts';
import type { Pod } from './pod.ts';
import { isList, isObject } from './strategic-merge.ts';

/** What a value has to be. Fields that are not named may be anything: they are passed on as they are. */
type Shape =
  | 'text'
  | 'number'
  | 'flag'
  | 'text or number'
  | { readonly map: Shape }
  | { readonly list: Shape }
  | { readonly fields: { readonly [field: string]: Shape } };

const handler = {
  httpGet: {
    fields: {
      path: 'text',
      port: 'text or number',
      scheme: 'text',
      httpHeaders: { list: { fields: { name: 'text', value: 'text' } } },
    },
  },
  tcpSocket: { fields: { port: 'text or number' } },
  grpc: { fields: { port: 'number', service: 'text' } },
} as const satisfies { readonly [field: string]: Shape };

const probe: Shape = { fields: { ...handler, timeoutSeconds: 'number', periodSeconds: 'number' } };
const named = { list: { fields: { name: 'text' } } } as const satisfies Shape;
const security: Shape = { fields: { runAsUser: 'number', runAsGroup: 'number' } };

const containers: Shape = {
  list: {
    fields: {
      name: 'text',
      image: 'text',
      command: { list: 'text' },
      args: { list: 'text' },
      env: { list: { fields: { name: 'text', value: 'text' } } },
      ports: { list: { fields: { name: 'text', containerPort: 'number', protocol: 'text' } } },
      readinessProbe: probe,
      livenessProbe: probe,
      startupProbe: probe,
      lifecycle: { fields: { preStop: { fields: handler }, postStart: { fields: handler } } },
      securityContext: security,
      volumeMounts: { list: { fields: { name: 'text', mountPath: 'text' } } },
      restartPolicy: 'text',
    },
  },
};

const pod: Shape = {
  fields: {
    metadata: {
      fields: {
        name: 'text',
        generateName: 'text',
        namespace: 'text',
        labels: { map: 'text' },
        annotations: { map: 'text' },
        ownerReferences: { list: { fields: { apiVersion: 'text', kind: 'text', name: 'text', controller: 'flag' } } },
      },
    },
    spec: {
      fields: {
        containers,
        initContainers: containers,
        volumes: named,
        imagePullSecrets: named,
        hostNetwork: 'flag',
        serviceAccountName: 'text',
        dnsPolicy: 'text',
        securityContext: security,
      },
    },
  },
};

const types = { text: ['string'], number: ['number'], flag: ['boolean'], 'text or number': ['string', 'number'] };

/**
 * What no pod that runs comes near, for it is looked at item by item, and some items once for each other one: lists of so many, and so many characters of
 * annotations, which is what an API server takes (kubernetes/pkg/apis TotalAnnotationSizeLimitB).
 */
const MOST = { items: 1_000, annotations: 256 * 1024 };

/** The first thing about a value that is not as it has to be. Like an absent field, null is anything. */
function fault(value: unknown, shape: Shape, path: string): string | undefined {
  const expected = (what: string): string => `${path || 'the object'}: expected ${what}`;
  if (value === undefined || value === null) return undefined;
  if (typeof shape === 'string') return types[shape].includes(typeof value) ? undefined : expected(`a ${shape}`);
  if ('list' in shape) {
    if (!isList(value)) return expected('a list');
    if (value.length > MOST.items) return `${path}: there are ${value.length}; expected at most ${MOST.items}`;
    return first(value.entries(), ([i, item]) =>
      item === null ? `${path}[${i}]: expected an item` : fault(item, shape.list, `${path}[${i}]`),
    );
  }
  if (!isObject(value)) return expected('an object');
  const of = value;
  const under = (field: string): string => (path ? entry(path, field) : field);
  return 'map' in shape
    ? first(Object.entries(of), ([field, item]) =>
        item === null ? `${under(field)}: expected a text` : fault(item, shape.map, under(field)),
      )
    : first(Object.entries(shape.fields), ([field, inner]) =>
        fault(Object.hasOwn(of, field) ? of[field] : undefined, inner, under(field)),
      );
}

function first<T>(items: Iterable<T>, find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A value as a pod, where all that injection reads of it has the types that it has in the API; else what has not. */
export function readPod(value: unknown): { readonly pod: Pod } | { readonly fault: string } {
  const found = isObject(value) ? fault(value, pod, '') : 'there is no object';
  if (found !== undefined) return { fault: found };
  const read = value as Pod;
  const entries = Object.entries(read.metadata?.annotations ?? {});
  const characters = entries.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
  return characters > MOST.annotations
    ? { fault: `metadata.annotations: ${characters} characters in all; expected at most ${MOST.annotations}` }
    : { pod: read };
}
