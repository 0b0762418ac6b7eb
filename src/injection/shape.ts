import { isDeeperThan } from '../config/json.ts';
import { entry, type Report } from '../config/report.ts';
import { isList, isObject } from '../unknown.ts';
import type { Pod } from './pod.ts';

/** What a value has to be. */
type Shape =
  | 'text'
  | 'number'
  | 'boolean'
  | 'port'
  | { readonly each: Shape }
  | { readonly list: Shape }
  | { readonly fields: { readonly [field: string]: Shape }; readonly needs?: readonly string[] };

const named = (fields: { readonly [field: string]: Shape } = {}): Shape => ({
  fields: { name: 'text', ...fields },
  needs: ['name'],
});

const handler: { readonly [field: string]: Shape } = {
  httpGet: {
    fields: { path: 'text', port: 'port', scheme: 'text', httpHeaders: { list: named({ value: 'text' }) } },
    needs: ['port'],
  },
  tcpSocket: { fields: { port: 'port' }, needs: ['port'] },
  grpc: { fields: { port: 'number', service: 'text' }, needs: ['port'] },
};

const security: Shape = { fields: { runAsUser: 'number', runAsGroup: 'number' } };
const probe: Shape = { fields: { ...handler, timeoutSeconds: 'number', periodSeconds: 'number' } };

const container = named({
  image: 'text',
  command: { list: 'text' },
  args: { list: 'text' },
  env: { list: named({ value: 'text' }) },
  ports: { list: { fields: { name: 'text', containerPort: 'number', protocol: 'text' }, needs: ['containerPort'] } },
  readinessProbe: probe,
  livenessProbe: probe,
  startupProbe: probe,
  lifecycle: { fields: { preStop: { fields: handler }, postStart: { fields: handler } } },
  securityContext: security,
  volumeMounts: { list: named({ mountPath: 'text' }) },
  restartPolicy: 'text',
});

/** What of a pod is read, as Kubernetes has it. */
const pod: Shape = {
  fields: {
    metadata: {
      fields: {
        name: 'text',
        generateName: 'text',
        namespace: 'text',
        labels: { each: 'text' },
        annotations: { each: 'text' },
        ownerReferences: {
          list: { fields: { kind: 'text', name: 'text', apiVersion: 'text', controller: 'boolean' } },
        },
      },
    },
    spec: {
      fields: {
        containers: { list: container },
        initContainers: { list: container },
        volumes: { list: named() },
        imagePullSecrets: { list: { fields: { name: 'text' } } },
        hostNetwork: 'boolean',
        serviceAccountName: 'text',
        dnsPolicy: 'text',
        terminationGracePeriodSeconds: 'number',
        os: named(),
        securityContext: security,
      },
      needs: ['containers'],
    },
  },
  needs: ['spec'],
};

/**
 * What no pod that runs comes near, for it is looked at item by item, and some items once for each other one: lists of so many, and so many characters of
 * annotations, which is what an API server takes (kubernetes/pkg/apis TotalAnnotationSizeLimitB). More faults than so many help nobody.
 */
export const MOST = { items: 1_000, annotations: 256 * 1024, faults: 20 };

type Fault = readonly [path: string, message: string];

/** What is wrong with a value, where. Null stands for the absence of a field; what a map or a list holds cannot be absent. */
function* faults(value: unknown, shape: Shape, path: string, most: number): Generator<Fault> {
  if (typeof shape === 'string') yield* plainFaults(value, shape, path);
  else if ('list' in shape) {
    if (!isList(value)) yield [path, 'expected a list'];
    else if (value.length > most) yield [path, `there are ${value.length}; expected at most ${most}`];
    else for (const [i, item] of value.entries()) yield* faults(item, shape.list, `${path}[${i}]`, most);
  } else if (!isObject(value)) yield [path, 'expected an object'];
  else if ('each' in shape)
    for (const [key, inner] of Object.entries(value)) yield* faults(inner, shape.each, entry(path, key), most);
  else {
    const at = (field: string) => (path ? entry(path, field) : field);
    for (const field of shape.needs ?? []) if (isAbsent(value[field])) yield [at(field), 'it is needed'];
    for (const [field, inner] of Object.entries(shape.fields))
      if (!isAbsent(value[field])) yield* faults(value[field], inner, at(field), most);
  }
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null;

function* plainFaults(value: unknown, shape: Shape & string, path: string): Generator<Fault> {
  const type = typeof value;
  if (shape === 'text' && type !== 'string')
    yield [path, `expected a text, not ${JSON.stringify(value)}: put it in quotes`];
  else if (shape === 'port' && type !== 'number' && type !== 'string')
    yield [path, 'expected the number or the name of a port'];
  else if (shape === 'number' && !Number.isSafeInteger(value)) yield [path, 'expected a whole number'];
  else if (shape === 'boolean' && type !== shape) yield [path, 'expected true or false'];
}

/** How deep a pod is, its own and what others may have written into it: none that an API server has is deeper than 20. */
export const DEEPEST = 100;

/** The first thing that is wrong with what is at a path of a text of JSON; undefined where nothing is. */
function faultOf(value: unknown, shape: Shape, path: string): string | undefined {
  if (isDeeperThan(DEEPEST, value)) return `${path}: it is nested more than ${DEEPEST} deep`;
  for (const [at, message] of faults(value, shape, path, MOST.items)) return `${at}: ${message}`;
  return undefined;
}

/** Whether a value tells how to ask a container something, as far as it is read. */
export const isHandler = (value: unknown): boolean => faultOf(value, probe, '') === undefined;

/** What keeps a value from being a container, as far as it is read. */
export const containerFault = (value: unknown, path: string): string | undefined => faultOf(value, container, path);

/** Of a pod whose shape is right. */
function* lengthFaults({ metadata }: Pod): Generator<Fault> {
  const entries = Object.entries(metadata?.annotations ?? {});
  const characters = entries.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
  if (characters > MOST.annotations)
    yield ['metadata.annotations', `${characters} characters in all; expected at most ${MOST.annotations}`];
}

/** Reports what of a pod an API server could not read, as far as injection reads it, and what is larger than any pod is: lists of `most` items at most. */
export function checkShape(given: Pod, report: Report, most = MOST.items): void {
  if (isDeeperThan(DEEPEST, given)) {
    report.error('', `it is nested more than ${DEEPEST} deep`);
    return;
  }
  const shapeFaults: Fault[] = [];
  for (const fault of faults(given, pod, '', most)) if (shapeFaults.push(fault) === MOST.faults) break;
  for (const [path, message] of shapeFaults.length ? shapeFaults : lengthFaults(given)) report.error(path, message);
}
