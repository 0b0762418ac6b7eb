import type { Pod, StringMap } from '../../src/injection/pod.ts';
import type { JsonObject } from '../../src/unknown.ts';

/** A pod that an API server would take, but for what injection is asked in it; and why it is refused a sidecar, where it is. */
export interface OddPod {
  readonly name: string;
  readonly pod: Pod;
  readonly refused?: RegExp;
}

const app = { name: 'web', image: 'web' };
const proxy = (words: JsonObject = {}): JsonObject => ({ name: 'istio-proxy', image: 'auto', ...words });

const podOf = (annotations: StringMap, spec: JsonObject): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'web-', labels: { app: 'web' }, annotations },
    spec: { containers: [app], ...spec },
  }) as Pod;

const native = 'sidecar.istio.io/nativeSidecar';

/** With and without a native sidecar. */
const both = (name: string, spec: JsonObject, refused?: RegExp): readonly OddPod[] =>
  ['true', 'false'].map(value => ({
    name: `${name}, ${value === 'true' ? 'native' : 'not native'}`,
    pod: podOf({ [native]: value }, spec),
    ...(refused && { refused }),
  }));

const beside = (name: string, words: JsonObject, spec: JsonObject = {}) =>
  both(name, { containers: [app, proxy(words)], ...spec });

const asked = (name: string, annotations: StringMap, refused?: RegExp): readonly OddPod[] => [
  { name, pod: podOf(annotations, {}), ...(refused && { refused }) },
];

const fromSecret = { secretKeyRef: { name: 's', key: 'k' } };
const data = { volumes: [{ name: 'data', emptyDir: {} }] };
const config = (yaml: string): StringMap => ({ 'proxy.istio.io/config': yaml });

const ownWords: readonly OddPod[] = [
  // One thing said in two ways.
  ...beside('a value where the template has a source', { env: [{ name: 'POD_NAME', value: 'fixed' }] }),
  ...beside('a source where the template has a value', {
    env: [{ name: 'ISTIO_META_CLUSTER_ID', valueFrom: fromSecret }],
  }),
  ...beside('another source', { env: [{ name: 'POD_NAME', valueFrom: fromSecret }] }),
  ...beside('a variable without a value', {
    env: [{ name: 'POD_NAME' }, { name: 'ISTIO_META_CLUSTER_ID', value: '' }],
  }),
  ...beside('a port for TCP and UDP', {
    ports: [
      { name: 'https', containerPort: 443, protocol: 'TCP' },
      { name: 'http3', containerPort: 443, protocol: 'UDP' },
    ],
  }),
  ...beside('one handler of each kind', {
    readinessProbe: { tcpSocket: { port: 8080 } },
    startupProbe: { exec: { command: ['true'] } },
    lifecycle: { preStop: { sleep: { seconds: 3 } } },
  }),
  ...beside('a limit below the request', { resources: { limits: { cpu: '50m', memory: '64Mi' } } }),
  ...beside('a request above the limit', { resources: { requests: { cpu: '5', memory: '2Gi' } } }),
  ...beside(
    'a volume where the template has one',
    { volumeMounts: [{ name: 'data', mountPath: '/var/run/secrets/tokens' }] },
    data,
  ),
  ...beside('empty texts', { image: '', imagePullPolicy: '', workingDir: '' }),
  ...beside('another user', { securityContext: { runAsUser: 1234, runAsGroup: 1234 } }),
  // In the other list.
  ...both('the proxy among the init containers', {
    initContainers: [proxy({ restartPolicy: 'Always', env: [{ name: 'A', value: 'b' }] })],
  }),
  ...both('istio-init beside the app', { containers: [app, { name: 'istio-init', image: 'auto' }] }),
  ...both('words about both', {
    containers: [app, proxy({ env: [{ name: 'A', value: 'b' }] })],
    initContainers: [{ name: 'istio-init', image: 'auto', env: [{ name: 'A', value: '' }] }],
  }),
  ...both('the proxy alone', { containers: [proxy()] }),
];

const surroundings: readonly OddPod[] = [
  ...both('less time to end than the proxy would take', { terminationGracePeriodSeconds: 0 }),
  ...both('as much time to end', { terminationGracePeriodSeconds: 5 }),
  ...both('Windows', { os: { name: 'windows' } }, /spec\.os\.name: a sidecar needs Linux/),
  ...both(
    'another kind of volume',
    { volumes: [{ name: 'istio-token', emptyDir: {} }] },
    /spec\.volumes\[0\]\.name: 'istio-token' is a volume of the sidecar \(projected, not emptyDir\)/,
  ),
  ...both('the same kind of volume', {
    volumes: [
      {
        name: 'istio-token',
        projected: { sources: [{ serviceAccountToken: { path: 'istio-token', audience: 'mine' } }] },
      },
    ],
  }),
  ...both('the user of the proxy', { securityContext: { runAsUser: 1337, runAsGroup: 1337, fsGroup: 1337 } }),
  ...both('the ports of the proxy', {
    containers: [{ ...app, ports: [15001, 15020, 15021, 15090].map(containerPort => ({ containerPort })) }],
  }),
  ...both('a name of our port', { containers: [{ ...app, ports: [{ name: 'http-envoy-prom', containerPort: 80 }] }] }),
  // Budgets of whole pods: more than the sidecar has, less, as much as the app has, of one resource, and with a limit alone.
  ...[
    { requests: { cpu: '1' }, limits: { cpu: '3' } },
    { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '50m', memory: '64Mi' } },
    { requests: { cpu: '250m', memory: '200Mi' }, limits: { cpu: '4', memory: '4Gi' } },
    { requests: { memory: '150Mi' }, limits: { memory: '0.3G' } },
    { limits: { memory: '300Mi' } },
  ].flatMap(resources =>
    both(`a budget of ${JSON.stringify(resources)}`, {
      resources,
      containers: [{ ...app, resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '64Mi' } } }],
      initContainers: [
        { name: 'beside', image: 'x', restartPolicy: 'Always', resources: { requests: { cpu: '40m' } } },
      ],
    }),
  ),
  {
    name: 'a budget, and a limit alone',
    pod: podOf({ 'sidecar.istio.io/proxyMemoryLimit': '1Gi' }, { resources: { requests: { memory: '64Mi' } } }),
  },
  ...beside(
    'a budget, and words about the proxy',
    { resources: { requests: { cpu: '20m' }, limits: { cpu: '30m' } } },
    {
      resources: { requests: { cpu: '20m' }, limits: { cpu: '30m' } },
    },
  ),
  {
    name: 'a budget, and a limit of the proxy alone, which is its request, too',
    pod: podOf({ 'sidecar.istio.io/proxyMemoryLimit': '1Gi' }, { resources: { requests: { memory: '64Mi' } } }),
  },
];

const annotated: readonly OddPod[] = [
  ...['initialDelaySeconds', 'periodSeconds', 'failureThreshold'].flatMap(name => [
    ...asked(
      `${name} is more than a probe can have`,
      { [`readiness.status.sidecar.istio.io/${name}`]: '2147483648' },
      /expected a whole number, 0 to 2147483647/,
    ),
    ...asked(`${name} is as much as a probe can have`, { [`readiness.status.sidecar.istio.io/${name}`]: '2147483647' }),
  ]),
  ...['CPU', 'Memory', 'CPULimit', 'MemoryLimit'].flatMap(name =>
    asked(
      `${name} is negative`,
      { [`sidecar.istio.io/proxy${name}`]: '-1' },
      /expected a quantity of Kubernetes, 0 or more/,
    ),
  ),
  ...['CPU', 'Memory'].flatMap(name => [
    ...asked(
      `${name} is more than its limit`,
      { [`sidecar.istio.io/proxy${name}`]: '2', [`sidecar.istio.io/proxy${name}Limit`]: '1999m' },
      /it is more than its limit/,
    ),
    ...asked(`${name} is its limit`, {
      [`sidecar.istio.io/proxy${name}`]: '2',
      [`sidecar.istio.io/proxy${name}Limit`]: '2000m',
    }),
  ]),
  ...asked(
    'a second volume of a name',
    { 'sidecar.istio.io/userVolume': '{"istio-token":{"emptyDir":{}}}' },
    /there is a volume 'istio-token' of the sidecar/,
  ),
  ...asked(
    'a second volume at a place',
    {
      'sidecar.istio.io/userVolume': '{"a":{"emptyDir":{}}}',
      'sidecar.istio.io/userVolumeMount': '{"a":{"mountPath":"/var/run/secrets/tokens"}}',
    },
    /istio-proxy has another volume at \/var\/run\/secrets\/tokens/,
  ),
  ...asked(
    'a variable that cannot be',
    config('proxyMetadata: {"": b}'),
    /proxyMetadata\[""\]: no environment variable/,
  ),
  ...asked('more time to drain than the pod has', config('terminationDrainDuration: 2m')),
  ...asked('targets of metrics with many spaces', {
    'prometheus.istio.io/scrape-targets': `9090${' '.repeat(200_000)}:/a, 9091 : /b:c`,
  }),
  ...asked(
    'a negative time to drain',
    config('terminationDrainDuration: -1s'),
    /terminationDrainDuration: a duration must not be negative/,
  ),
];

const status = (text: string): StringMap => ({ 'sidecar.istio.io/status': text });
const before = (json: string): StringMap => status(`{"containers":["istio-proxy"],"before":${json}}`);
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
const overrides = (text: string): StringMap => ({ 'proxy.istio.io/overrides': text });

/** Annotations that hold JSON, of an earlier injection or of anybody's. */
const fromAnnotations: readonly OddPod[] = [
  ...['{"bad', '[]', 'null', '', '7', '{"containers":7}', '{"containers":[7]}', '{"revision":7}'].flatMap(text =>
    asked(`a status of ${text || 'nothing'}`, status(text)),
  ),
  ...asked('before: a name that every object inherits, which was not there', {
    constructor: 'x',
    ...before('{"annotations":{"constructor":null}}'),
  }),
  ...asked('before: labels that are none', before('{"labels":{"app":7,"version":{"a":1}}}')),
  ...asked('before: annotations that are none', before('{"annotations":{"a":{}},"labels":7,"spec":[1]}')),
  ...asked('before: lists that are none', before('{"spec":{"containers":7,"initContainers":{},"volumes":"x"}}')),
  ...asked('before: a field that is none', before('{"spec":{"dnsPolicy":7}}'), /spec\.dnsPolicy: expected a text/),
  ...asked(
    'before: an annotation that refuses',
    before('{"annotations":{"sidecar.istio.io/userVolume":"{"}}'),
    /userVolume"\]: '\{': expected an object of JSON/,
  ),
  ...asked(
    'overrides without a status',
    overrides('{"containers":[{"name":"istio-proxy","env":[{"name":"Z","value":"1"}]}]}'),
  ),
  ...asked('overrides of others', overrides('{"containers":[{"name":"other","image":"x"}]}')),
  ...['{}', '{"containers":null}', '{"unknown":1}'].flatMap(text => asked(`overrides ${text}`, overrides(text))),
  ...['{"containers":{}}', '{"containers":[{"name":7}]}', '{"initContainers":[null]}', 'null'].flatMap(text =>
    asked(`overrides ${text}`, overrides(text), /proxy\.istio\.io\/overrides"\]: .*expected/),
  ),
  ...asked(
    'overrides that are no container',
    overrides('{"containers":[{"name":"istio-proxy","env":{"A":"b"}}]}'),
    /overrides"\]: .*containers\[0\]\.env: expected a list/,
  ),
  ...['5', '[null]', '[{"mountPath":"/a"}]'].flatMap(mounts =>
    asked(
      `overrides with mounts ${mounts}`,
      overrides(`{"initContainers":[{"name":"istio-proxy","volumeMounts":${mounts}}]}`),
      /overrides"\]: .*initContainers\[0\]\.volumeMounts.*: (expected|it is needed)/,
    ),
  ),
  ...['{"":{"emptyDir":{}}}', '{"a.b":{}}'].flatMap(text =>
    asked(`a volume ${text}`, { 'sidecar.istio.io/userVolume': text }, /is not the name of a volume/),
  ),
  ...['{"a":{}}', '{"a":{"mountPath":7}}', '{"a":{"mountPath":""}}'].flatMap(text =>
    asked(`a mount ${text}`, { 'sidecar.istio.io/userVolumeMount': text }, /'a' has no mountPath/),
  ),
  ...['', 'A', 'a b', '{{ .x }}'].flatMap(text =>
    asked(
      `a bootstrap of '${text}'`,
      { 'sidecar.istio.io/bootstrapOverride': text },
      /it is not the name of a ConfigMap/,
    ),
  ),
  ...asked(
    'a long list',
    { 'traffic.sidecar.istio.io/excludeInboundPorts': 'x'.repeat(100_000) },
    /excludeInboundPorts"\]: /,
  ),
  ...asked('a deep status', before(`{"spec":{"dnsConfig":${deep}}}`), /nested more than 100 deep/),
  ...asked(
    'deep overrides',
    overrides(`{"containers":[{"name":"istio-proxy","x":${deep}}]}`),
    /overrides"\]: .*expected an object of JSON/,
  ),
  ...['sidecar.istio.io/userVolume', 'sidecar.istio.io/userVolumeMount', 'apm.datadoghq.com/env'].flatMap(name =>
    asked(`a deep ${name}`, { [name]: `{"a":{"b":${deep}}}` }, /expected an object of JSON/),
  ),
  ...asked('deep settings', config(`proxyMetadata: ${deep}`), /proxy\.istio\.io\/config"\]: /),
  ...both('a deep field', { affinity: JSON.parse(deep) }, /it is nested more than 100 deep/),
  // What the webhook itself would tell the proxy.
  ...['{"/app-health/web/readyz":null,"/a":7,"/b":{"httpGet":{"port":{}}}}', 'null', '[1]', '{', deep].flatMap(value =>
    beside(`probers of its own: ${value.slice(0, 20)}`, { env: [{ name: 'ISTIO_KUBE_APP_PROBERS', value }] }),
  ),
  ...['{"port":{},"targets":[null,7,{"port":9}]}', '{"port":"x","targets":7}', 'null', deep].flatMap(value =>
    beside(`metrics of its own: ${value.slice(0, 20)}`, { env: [{ name: 'ISTIO_PROMETHEUS_ANNOTATIONS', value }] }),
  ),
  ...both('two templates', {}).map(odd => ({
    ...odd,
    pod: podOf({ ...odd.pod.metadata?.annotations, 'inject.istio.io/templates': 'sidecar,gateway' }, {}),
    ...(odd.name.endsWith(', native') && { refused: /make istio-proxy an init container and one beside the app/ }),
  })),
];

export const oddPods: readonly OddPod[] = [...fromAnnotations, ...ownWords, ...surroundings, ...annotated];
