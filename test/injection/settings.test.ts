import assert from 'node:assert/strict';
import { test } from 'node:test';
import { injectPod } from '../../src/injection/inject.ts';
import { runNativeSidecars } from '../../src/injection/native.ts';
import { findContainer, type Pod } from '../../src/injection/pod.ts';
import { readSettings } from '../../src/injection/settings.ts';
import { webhookFor, webhooksOf } from '../../src/injection/webhooks.ts';
import { meshOf } from './case.ts';

const read = (config: string, values?: string) =>
  readSettings({ config, values, mesh: meshOf(''), proxyConfigs: [], revision: '', compliancePolicy: '' });

const pod = (
  labels: { [name: string]: string } = {},
  annotations: { [name: string]: string } = {},
  spec = {},
): Pod => ({
  metadata: { name: 'p', labels, annotations },
  spec: { containers: [{ name: 'app', image: 'app' }], ...spec },
});

const INJECT = 'sidecar.istio.io/inject';

/** Who is injected, by istiod's rules (inject/webhook_test.go TestInjectRequired). */
const selections: readonly (readonly [string, string, Pod, string, RegExp | undefined])[] = [
  ['by default', '', pod(), 'shop', undefined],
  ['not where the policy is disabled', 'policy: disabled', pod(), 'shop', /policy is disabled/],
  ['where the policy is disabled, and it asks', 'policy: disabled', pod({ [INJECT]: 'true' }), 'shop', undefined],
  ['asked by annotation', 'policy: disabled', pod({}, { [INJECT]: 'true' }), 'shop', undefined],
  ['not if it says so', '', pod({ [INJECT]: 'false' }), 'shop', /label .* is false/],
  ['not if it says so by annotation', '', pod({}, { [INJECT]: 'false' }), 'shop', /annotation .* is false/],
  ['a label goes before an annotation', '', pod({ [INJECT]: 'true' }, { [INJECT]: 'false' }), 'shop', undefined],
  ['the other way round, too', '', pod({ [INJECT]: 'false' }, { [INJECT]: 'true' }), 'shop', /label/],
  ['a word that is neither says nothing', 'policy: disabled', pod({ [INJECT]: 'yes' }), 'shop', /policy/],
  ['not on the network of its node', '', pod({ [INJECT]: 'true' }, {}, { hostNetwork: true }), 'shop', /hostNetwork/],
  ['not in kube-system', '', pod({ [INJECT]: 'true' }), 'kube-system', /namespace kube-system/],
  ['not in kube-public', '', pod(), 'kube-public', /kube-public/],
  ['not in kube-node-lease', '', pod(), 'kube-node-lease', /kube-node-lease/],
  ['in istio-system', '', pod(), 'istio-system', undefined],
  ['never by selector', 'neverInjectSelector: [{matchLabels: {a: b}}]', pod({ a: 'b' }), 'shop', /neverInjectSelector/],
  ['never is for others, too', 'neverInjectSelector: [{matchLabels: {a: c}}]', pod({ a: 'b' }), 'shop', undefined],
  [
    'its own word goes before never',
    'neverInjectSelector: [{matchLabels: {a: b}}]',
    pod({ a: 'b', [INJECT]: 'true' }),
    'shop',
    undefined,
  ],
  [
    'always by selector',
    '{policy: disabled, alwaysInjectSelector: [{matchExpressions: [{key: a, operator: Exists}]}]}',
    pod({ a: 'x' }),
    'shop',
    undefined,
  ],
  [
    'never before always',
    '{alwaysInjectSelector: [{matchLabels: {a: b}}], neverInjectSelector: [{matchLabels: {a: b}}]}',
    pod({ a: 'b' }),
    'shop',
    /never/,
  ],
  ['an empty selector selects nobody', 'neverInjectSelector: [{}]', pod({ a: 'b' }), 'shop', undefined],
];

for (const [name, config, given, namespace, reason] of selections)
  test(`injected: ${name}`, () => {
    const injection = injectPod(given, read(config).settings, { namespace, native: false });
    if (!reason) assert.equal(injection.kind, 'inject');
    else assert.match(injection.kind === 'skip' ? injection.reason : injection.kind, reason);
  });

const A = 'metadata.annotations';
const refused: { readonly [name: string]: readonly string[] } = {
  'sidecar.istio.io/interceptionMode': ['redirect', ''],
  'status.sidecar.istio.io/port': ['x', '-1', '65536', '', '15021', '15090', ' 15001'],
  'readiness.status.sidecar.istio.io/initialDelaySeconds': ['-1', '1s', ''],
  'readiness.status.sidecar.istio.io/periodSeconds': ['4294967296', '1.5'],
  'readiness.status.sidecar.istio.io/failureThreshold': ['many'],
  'traffic.sidecar.istio.io/includeOutboundIPRanges': [
    '10.0.0.0',
    '10.0.0.0/8, 10.1.0.0/16',
    '*,10.0.0.0/8',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
  ],
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': ['*', 'all', 'fe80::%1/64'],
  'traffic.sidecar.istio.io/includeInboundPorts': ['http', '80,', '1-2'],
  'traffic.sidecar.istio.io/excludeInboundPorts': ['*', '80;90'],
  'traffic.sidecar.istio.io/excludeOutboundPorts': ['*', '70000'],
  'traffic.sidecar.istio.io/excludeInterfaces': ['eth0,', 'a-name-that-is-too-long', '0eth', 'e;h'],
  'traffic.sidecar.istio.io/kubevirtInterfaces': ['a b'],
  'istio.io/reroute-virtual-interfaces': [' ,'],
  'prometheus.istio.io/merge-metrics': ['yes', ''],
  'proxy.istio.io/config': [
    'a: [',
    'concurrency: many',
    'statusPort: 70000',
    'drainDuration: 1500ms',
    'discoveryAddress: istiod',
    '[]',
  ],
  'sidecar.istio.io/proxyCPU': ['lots', '', '1 m', '1\n'],
  'sidecar.istio.io/proxyMemory': ['1GB'],
  'sidecar.istio.io/proxyCPULimit': ['0x1'],
  'sidecar.istio.io/proxyMemoryLimit': ['1MiB'],
  'sidecar.istio.io/userVolume': ['[{}]', '[1]', '{"a":1}', '{'],
  'inject.istio.io/templates': ['nobody', 'sidecar,nobody', ''],
  'prometheus.io/port': ['http', '15020x', '15090', '0'],
  'prometheus.istio.io/scrape-targets': ['15001:/m', '9090:/a,x:/b'],
};

for (const [name, values] of Object.entries(refused))
  test(`refused for ${name}`, () => {
    for (const value of values) {
      const injection = injectPod(pod({}, { [name]: value }), read('').settings, { namespace: 'shop', native: false });
      const paths = injection.kind === 'refuse' ? injection.problems.map(({ path }) => path) : injection.kind;
      assert.deepEqual(paths, [`${A}["${name}"]`], JSON.stringify(value));
    }
  });

test('a template of the user is laid over the pod after the one before it', () => {
  const config = `
defaultTemplates: [sidecar, logs]
templates:
  logs: |
    metadata: {labels: {logs: "on"}}
    spec:
      containers:
      - {name: app, env: [{name: LOGS, value: "1"}]}
      - {name: shipper, image: shipper}
      - {name: istio-proxy, resources: {limits: {cpu: "9"}}}
      dnsPolicy: null
  bare: "spec: {initContainers: [{name: istio-init, $patch: delete}]}"
`;
  const { settings, problems } = read(config);
  assert.deepEqual(problems, []);
  const of = (annotations: { [name: string]: string }) => {
    const injection = injectPod(pod({}, annotations, { dnsPolicy: 'Default' }), settings, {
      namespace: 'shop',
      native: false,
    });
    return injection.kind === 'inject' ? injection.pod : assert.fail(JSON.stringify(injection));
  };
  const given = of({});
  assert.equal(given.metadata?.labels?.['logs'], 'on');
  assert.deepEqual(findContainer(given, 'app')?.env, [{ name: 'LOGS', value: '1' }]);
  assert.deepEqual(
    given.spec?.containers?.map(({ name }) => name),
    ['app', 'shipper', 'istio-proxy'],
  );
  assert.equal(given.spec?.dnsPolicy, undefined);
  const bare = of({ 'inject.istio.io/templates': 'sidecar, bare' });
  assert.equal(findContainer(bare, 'istio-init'), undefined);
});

const unreadable: readonly (readonly [string, string, RegExp])[] = [
  ['policy: on', 'data.config.policy', /expected enabled or disabled/],
  ['a: [', 'data.config', /defaults are in force/],
  ['[]', 'data.config', /expected an object/],
  ['templates: {own: "{{ .Values.x }}"}', 'data.config.templates.own', /Go template.*plain YAML/],
  ['templates: {own: "a: ["}', 'data.config.templates.own', /./],
  ['templates: {own: "spec: {containers: [{image: x}]}"}', 'data.config.templates.own', /spec\.containers\[0\]\.name/],
  [
    'templates: {own: "spec: {containers: [{name: x, $patch: remove}]}"}',
    'data.config.templates.own',
    /expected replace or delete/,
  ],
  [
    'templates: {own: "spec: {containers: [{name: x, $patch: merge}]}"}',
    'data.config.templates.own',
    /expected replace or delete/,
  ],
  [
    'templates: {own: "spec: {volumes: [{name: x, emptyDir: {}, $retainKeys: [name]}]}"}',
    'data.config.templates.own',
    /\$retainKeys/,
  ],
  ...(
    [
      ['spec: 7', /^spec: expected an object$/],
      ['metadata: [a]', /^metadata: expected an object$/],
      ['spec: {volumes: {a: b}}', /^spec\.volumes: expected a list$/],
      ['spec: {initContainers: x}', /^spec\.initContainers: expected a list$/],
      ['spec: {containers: [{name: istio-proxy, env: {A: b}}]}', /^spec\.containers\[0\]\.env: expected a list$/],
      [
        'spec: {containers: [{name: istio-proxy, volumeMounts: 5}]}',
        /^spec\.containers\[0\]\.volumeMounts: expected a list$/,
      ],
    ] as const
  ).map(([patch, fault]) => [`templates: {own: "${patch}"}`, 'data.config.templates.own', fault] as const),
  ['templates: {own: "sepc: {}"}', 'data.config.templates.own.sepc', /no such field/],
  ['templates: {sidecar: "{{ x }}"}', 'data.config.templates.sidecar', /built-in one is in force/],
  [
    'neverInjectSelector: [{matchExpressions: [{key: a, operator: Is}]}]',
    'data.config.neverInjectSelector[0].matchExpressions[0].operator',
    /Is/,
  ],
  ['defaultTemplates: [sidecar, nope]', 'data.config.defaultTemplates[1]', /there is no template 'nope'/],
  ['aliases: {mine: [sidecar, nope]}', 'data.config.aliases.mine[1]', /there is no template 'nope'/],
  ['defaultTemplates: [1]', 'data.config.defaultTemplates[0]', /name of a template/],
  ['injectedAnnotations: {a: 1}', 'data.config.injectedAnnotations.a', /text/],
];

for (const [config, path, message] of unreadable)
  test(`settings that cannot be read: ${config}`, () => {
    const [problem, ...others] = read(config).problems;
    assert.deepEqual([problem?.path, others], [path, []]);
    assert.match(problem?.message ?? '', message);
  });

test('names stand for templates, and for what sidecar and gateway stand for', () => {
  const own = 'templates: {extra: "metadata: {labels: {a: b}}"}';
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ['', 'sidecar', ['envoy']],
    ['aliases: {mine: [sidecar, extra]}', 'mine', ['envoy', 'extra']],
    ['aliases: {sidecar: [istio-proxy], mine: [sidecar, extra]}', 'mine', ['istio-proxy', 'extra']],
    ['aliases: {sidecar: [sidecar, extra]}', 'sidecar', ['envoy', 'extra']],
    ['aliases: {mine: [gateway]}', 'mine', ['envoy-gateway']],
  ];
  for (const [aliases, name, templates] of table) {
    const { settings, problems } = read(`${own}\n${aliases}`);
    assert.deepEqual([settings.aliases[name], problems], [templates, []], aliases);
  }
  assert.deepEqual(read('templates: {sidecar: "metadata: {}"}').settings.aliases, { gateway: ['envoy-gateway'] });
});

test('values of another type keep their defaults, and are told', () => {
  const { settings, problems } = read(
    '',
    '{"global":{"proxy":{"statusPort":"many","privileged":"true","image":7}},"pilot":[]}',
  );
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['data.values.global.proxy.statusPort', 'data.values.pilot'],
  );
  assert.equal(settings.values.global.proxy.statusPort, 15020);
  assert.equal(settings.values.global.proxy.privileged, true);
  assert.equal(settings.values.global.proxy.image, '7');
});

test('values that the sidecar without an agent does not follow are told where it is the usual one', () => {
  const asks = '{"global":{"caAddress":"ca.example:443","pilotCertProvider":"custom","sts":{"servicePort":7}}}';
  const told = (config: string, values = asks) => read(config, values).problems.map(({ path }) => path);
  const all = ['caAddress', 'pilotCertProvider', 'sts.servicePort'].map(name => `data.values.global.${name}`);
  assert.deepEqual(told(''), all);
  assert.deepEqual(told('aliases: {sidecar: [istio-proxy]}'), []);
  assert.deepEqual(told('', '{"global":{"hub":"a","tag":"b","caAddress":"","pilotCertProvider":"istiod"}}'), []);
});

test('a template that cannot be used refuses those who ask for it, and nobody else', () => {
  const { settings } = read('templates: {own: "{{ x }}"}');
  const where = { namespace: 'shop', native: false };
  assert.equal(injectPod(pod(), settings, where).kind, 'inject');
  const injection = injectPod(pod({}, { 'inject.istio.io/templates': 'own' }), settings, where);
  assert.match(
    injection.kind === 'refuse' ? (injection.problems[0]?.message ?? '') : '',
    /template 'own': it is a Go template/,
  );
});

test('native sidecars where every kubelet is 1.33 or newer', () => {
  const table: readonly (readonly [readonly string[], boolean])[] = [
    [[], false],
    [['v1.33.0'], true],
    [['v1.33.0', 'v1.32.9'], false],
    [['v1.34.1-gke.100', '1.33'], true],
    [['v2.0.0'], true],
    [['v1.33.0', ''], false],
    [['v1.9.0'], false],
  ];
  for (const [versions, native] of table) assert.equal(runNativeSidecars(versions), native, String(versions));
});

test('a pod is brought to the webhook that its labels and those of its namespace choose', () => {
  const table: readonly (readonly [
    string,
    { [label: string]: string },
    { [label: string]: string },
    string | undefined,
  ])[] = [
    ['', { 'istio-injection': 'enabled' }, {}, 'namespace'],
    ['', { 'istio-injection': 'enabled' }, { [INJECT]: 'false' }, undefined],
    ['', { 'istio-injection': 'disabled' }, { [INJECT]: 'true' }, undefined],
    ['', {}, {}, undefined],
    ['', {}, { [INJECT]: 'true' }, 'object'],
    ['', { 'istio.io/rev': 'default' }, {}, 'rev.namespace'],
    ['', {}, { 'istio.io/rev': 'default' }, 'rev.object'],
    ['', {}, { [INJECT]: 'true', 'istio.io/rev': 'canary' }, undefined],
    ['', { 'istio-injection': 'enabled', 'istio.io/rev': 'canary' }, {}, 'namespace'],
    ['canary', { 'istio.io/rev': 'canary' }, {}, 'rev.namespace'],
    ['canary', { 'istio-injection': 'enabled', 'istio.io/rev': 'canary' }, {}, undefined],
    ['canary', { 'istio-injection': 'enabled' }, {}, undefined],
    ['canary', {}, { [INJECT]: 'true' }, undefined],
    ['canary', {}, { 'istio.io/rev': 'canary' }, 'rev.object'],
    ['canary', { 'istio.io/rev': 'canary' }, { [INJECT]: 'false' }, undefined],
  ];
  for (const [revision, namespace, labels, name] of table)
    assert.equal(
      webhookFor(webhooksOf(revision), labels, namespace)?.name,
      name && `${name}.sidecar-injector.istio.io`,
      JSON.stringify([revision, namespace, labels]),
    );
});
