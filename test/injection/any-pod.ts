import fc from 'fast-check';
import type { Pod, StringMap } from '../../src/injection/pod.ts';
import type { JsonObject } from '../../src/unknown.ts';

/** Arbitrary pods that an API server would take, as far as injection looks at them. */

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
const port = fc.integer({ min: 1, max: 14_000 });
const value = fc.string({ maxLength: 12 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const action = (named: readonly string[]) => {
  const some = named.length ? fc.oneof(port, fc.constantFrom(...named)) : port;
  return fc.oneof(
    fc.record({
      httpGet: fc.record(
        {
          port: some,
          path: fc.constantFrom('/', 'a', '/b?c=$d', '/%20'),
          scheme: fc.constantFrom('HTTP', 'HTTPS'),
          httpHeaders: fc.array(fc.record({ name: fc.constantFrom('Host', 'X-A'), value }), { maxLength: 2 }),
        },
        { requiredKeys: ['port'] },
      ),
    }),
    fc.record({ tcpSocket: fc.record({ port: some }) }),
    fc.record({ exec: fc.record({ command: fc.array(value, { maxLength: 2 }) }) }),
  );
};

const probe = (named: readonly string[]) =>
  fc
    .tuple(
      fc.oneof(action(named), fc.record({ grpc: fc.record({ port, service: name }, { requiredKeys: ['port'] }) })),
      fc.record(
        { timeoutSeconds: fc.integer({ min: 1, max: 9 }), periodSeconds: fc.integer({ min: 1, max: 30 }) },
        { requiredKeys: [] },
      ),
    )
    .map(([handler, times]) => ({ ...handler, ...times }));

const containerNamed = (own: string, named: readonly string[], ports: readonly number[]) =>
  fc
    .record(
      {
        env: fc.uniqueArray(fc.record({ name: fc.stringMatching(/^[A-Z_]{1,6}$/), value }), {
          selector: variable => variable.name,
          maxLength: 3,
        }),
        readinessProbe: probe(named),
        livenessProbe: probe(named),
        startupProbe: probe(named),
        lifecycle: fc.record({ preStop: action(named), postStart: action(named) }, { requiredKeys: [] }),
        securityContext: fc.record({ runAsUser: fc.integer({ min: 0, max: 3000 }) }),
      },
      { requiredKeys: [] },
    )
    .map(fields => ({
      name: own,
      image: own === 'istio-proxy' ? 'auto' : 'image',
      ...(ports.length > 0 && {
        ports: ports.map((containerPort, i) => ({ containerPort, ...(named[i] && { name: named[i] }) })),
      }),
      ...fields,
    }));

const container = (own: string) =>
  fc.uniqueArray(fc.tuple(port, fc.boolean()), { selector: ([number]) => number, maxLength: 2 }).chain(found =>
    containerNamed(
      own,
      found.flatMap(([, isNamed], i) => (isNamed || i === 0 ? [`p${i}`] : [])),
      found.map(([number]) => number),
    ),
  );

/** The user's own words about the proxy. */
const proxy = fc
  .record(
    {
      env: fc.constant([{ name: 'MINE', value: '1' }]),
      resources: fc.constantFrom({ limits: { cpu: '1m' } }, { requests: { memory: '9Gi' } }),
      readinessProbe: fc.constantFrom({ tcpSocket: { port: 15021 } }, { httpGet: { port: 15021 }, periodSeconds: 3 }),
      lifecycle: fc.constantFrom<JsonObject>(
        { preStop: { exec: { command: ['true'] } } },
        { postStart: { sleep: { seconds: 1 } } },
      ),
      securityContext: fc.constantFrom({ runAsUser: 2000, runAsGroup: 2000 }, { runAsUser: 0 }),
    },
    { requiredKeys: [] },
  )
  .map((fields): JsonObject => ({ name: 'istio-proxy', image: 'auto', ...fields }));

const containers = fc
  .uniqueArray(name, { maxLength: 3 })
  .chain(names => fc.tuple(fc.tuple(...names.map(container)), names.length > 0 ? optional(proxy) : proxy))
  .map(([apps, own]) => [...apps, ...(own ? [own] : [])]);

const initContainers = fc
  .uniqueArray(name, { maxLength: 2 })
  .map(names =>
    names.map((own, i) => ({ name: `init-${own}`, image: 'i', ...(i === 0 && { restartPolicy: 'Always' }) })),
  );

const annotation: { readonly [name: string]: fc.Arbitrary<string> } = {
  'sidecar.istio.io/interceptionMode': fc.constantFrom('REDIRECT', 'TPROXY', 'NONE'),
  'sidecar.istio.io/nativeSidecar': fc.constantFrom('true', 'false'),
  'sidecar.istio.io/proxyCPU': fc.constantFrom('10m', '1'),
  'sidecar.istio.io/proxyMemoryLimit': fc.constantFrom('64Mi', '1Gi'),
  'sidecar.istio.io/rewriteAppHTTPProbers': fc.constantFrom('true', 'false'),
  'sidecar.istio.io/userVolume': fc.constant('{"extra":{"emptyDir":{}}}'),
  'sidecar.istio.io/bootstrapOverride': fc.constant('custom'),
  'traffic.sidecar.istio.io/excludeOutboundPorts': fc.constantFrom('', '80,443'),
  'traffic.sidecar.istio.io/includeInboundPorts': fc.constantFrom('', '*', '8080'),
  'traffic.sidecar.istio.io/excludeInboundPorts': fc.constantFrom('', '15020', '9090'),
  'status.sidecar.istio.io/port': fc.constantFrom('15020', '15999', '0'),
  'prometheus.io/scrape': fc.constantFrom('true', 'false'),
  'prometheus.io/port': fc.constantFrom('9090', '80'),
  'prometheus.io/path': fc.constantFrom('/m', 'metrics'),
  'prometheus.istio.io/scrape-targets': fc.constantFrom('9090:/a,9091:/b'),
  'proxy.istio.io/config': fc.constantFrom(
    'holdApplicationUntilProxyStarts: true',
    '{concurrency: 2, proxyMetadata: {A: b}}',
    'terminationDrainDuration: 0s',
  ),
  'inject.istio.io/templates': fc.constantFrom('sidecar', 'gateway', 'envoy', 'istio-proxy', 'istio-proxy-gateway'),
  'kubectl.kubernetes.io/default-container': fc.constantFrom('zzz'),
  'example.com/note': value,
};

const annotations = fc.record(annotation, { requiredKeys: [] });

const labels = fc.record(
  {
    app: name,
    version: fc.constantFrom('v1', 'v2'),
    'app.kubernetes.io/name': name,
    'service.istio.io/canonical-name': name,
    'topology.istio.io/network': fc.constant('east'),
    'security.istio.io/tlsMode': fc.constantFrom('istio', 'disabled'),
  },
  { requiredKeys: [] },
);

/** Resources of all containers together. */
const budget = fc.constantFrom<JsonObject | undefined>(
  undefined,
  { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '1' } },
  { limits: { memory: '64Mi' } },
);

export const anyPod: fc.Arbitrary<Pod> = fc
  .record({
    name,
    labels,
    annotations,
    containers,
    initContainers,
    budget,
    volumes: fc.boolean(),
    secrets: fc.boolean(),
  })
  .map(({ name, labels, annotations, containers, initContainers, budget, volumes, secrets }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(Object.keys(annotations).length > 0 && { annotations: annotations as StringMap }),
    },
    spec: {
      containers: containers as never,
      ...(initContainers.length > 0 && { initContainers }),
      ...(volumes && { volumes: [{ name: 'data', emptyDir: {} }] }),
      ...(budget && { resources: budget }),
      ...(secrets && { imagePullSecrets: [{ name: 'registry' }] }),
      terminationGracePeriodSeconds: 7,
    },
  }));
