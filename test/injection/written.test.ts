import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { mapPods } from '../../src/cli/manifests.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { uninject } from '../../src/injection/uninject.ts';
import { objectsIn, settingsOf } from './case.ts';

// What people have written stays as they have written it: `inject` adds to a text, and `uninject` gives the text back.

const mesh = { plain: '', hold: 'defaultConfig: {holdApplicationUntilProxyStarts: true}' };

function injected(text: string, sidecar: Sidecar, { native = false, settings = mesh.plain } = {}): string {
  const known = settingsOf({ values: '{}', mesh: settings, sidecar });
  return mapPods(text, 'a file', ({ pod, namespace, workload }) => {
    const injection = injectPod(pod, known, { namespace, workload, native });
    return injection.kind === 'inject' ? injection.pod : assert.fail(JSON.stringify(injection));
  });
}

const back = (text: string): string => mapPods(text, 'a file', ({ pod }) => uninject(pod));

/** Whether all lines of one text are in another in their order. */
function isWithin(lines: readonly string[], others: readonly string[]): boolean {
  let at = 0;
  for (const line of others) if (line === lines[at]) at++;
  return at === lines.length;
}

let compared = 0;

function check(text: string, about: string): void {
  for (const sidecar of Object.keys(sidecars) as Sidecar[])
    for (const how of [{}, { native: true }, { settings: mesh.hold }]) {
      const out = injected(text, sidecar, how);
      const name = `${about} with ${sidecar} ${JSON.stringify(how)}`;
      assert.notEqual(out, text, name);
      assert.equal(injected(out, sidecar, how), out, `${name}: injecting twice is injecting once`);
      assert.equal(back(out), text, `${name}: it comes back`);
      compared++;
    }
}

const written: Readonly<Record<string, string>> = {
  'lists that are deeper than their maps, and others that are not': `apiVersion: apps/v1
kind: Deployment
metadata:
    name: web      # four, and a comment
    labels:  {app:   web,  team: "yes" }
spec:
    template:
        metadata:
            labels: {app: web} # the same
        spec:
            volumes:
              - name: data \t
                emptyDir: {}
            containers:

            # the app itself
            -   name: web
                image: "nginx"   
                command: [ sh,  -c, 'sleep 1' ]
                env:
                    - {name: A, value: 'it''s'}
                    # the last one

            # beside it
            - image: other # pinned
              name: other
`,
  'dashes on lines of their own': `kind: Pod
apiVersion: v1
metadata:
  name: web
  labels:
    app: web
spec:
  containers:
  -
    name: web
    image: nginx
    args:
    - |
      a text

        of lines
    - >-
      folded
      text
  -
    # another
    name: other
    image: other
`,
  'anchors and merged maps': `kind: Pod
apiVersion: v1
metadata:
  name: &name web
  labels: &labels
    <<: &team {team: "yes"} # whose it is
    app: *name
  annotations: {<<: [*team, {other: *name}], same: *name}
spec:
  containers:
  - &web
    name: *name
    image: nginx
  - <<: *web
    name: other
`,
  'a key that is there twice': `kind: Pod
apiVersion: v1
metadata: {name: web, labels: {app: web}}
spec:
  restartPolicy: Never
  restartPolicy: Always
  containers:
  - {name: web, image: nginx}
`,
  'a list of objects': `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata:   {name: web}
  - apiVersion: v1
    kind: Pod
    metadata:
        name: web
        labels: {app: web}
    spec:
      containers:
          - name: web # the one
            image: nginx
`,
  'a list of one kind, whose items leave it to the list': `apiVersion: batch/v1
kind: JobList
items:
- metadata: {name: web}
  spec:
    template:
      spec:
        containers: [{name: web, image: nginx}]
        restartPolicy: Never
        volumes: []
- metadata: {name: other}
  spec:
    template:
      metadata: {}
      spec: {containers: [{name: web, image: nginx}], restartPolicy: Never, initContainers: []}
`,
  'everything in brackets': `{kind: Pod, apiVersion: v1, metadata: {name: web, labels: {app: web}}, spec: {containers: [
    {name: web, image: nginx},
    {name: other,   image: other}
  ]}}
`,
  'JSON in lines': `${JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'web', labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } }, null, 4)}\n`,
  'JSON without spaces':
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx"}]}}\n',
  'JSON objects one behind the other': `${['{', '"'].map(name => JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: { name, labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } })).join('\n')}
`,
  'probes and metrics in quotes': `kind: Pod
apiVersion: v1
metadata:
  name: web
  labels: {app: web}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/path: '/stats'
    prometheus.io/port: "8080"
spec:
  containers:
  - name: web
    image: nginx
    readinessProbe:
      httpGet:
        path: "/ready" # soon
        port: 8080
      periodSeconds: 1
`,
};

describe('what is written comes back to the letter', () => {
  for (const [about, text] of Object.entries(written)) test(about, () => check(text, about));

  const deployment = written['lists that are deeper than their maps, and others that are not'] ?? '';
  const service = '# reached by   name\napiVersion: v1\nkind: Service\nmetadata: {name:   web}\n';
  const texts: Readonly<Record<string, string>> = {
    'lines of Windows': `${service}---\n${deployment}`.replaceAll('\n', '\r\n'),
    'lines of Windows, the last without its end': deployment.trimEnd().replaceAll('\n', '\r\n'),
    'a byte order mark': `\ufeff${deployment}`,
    'no end of the last line': deployment.trimEnd(),
    'separators before, between and behind, with words': `---\n# nothing\n--- # one\n${deployment}--- \n---\n${service}---\n`,
    'a directive': `%YAML 1.1\n---\n${deployment}`,
  };
  for (const [about, text] of Object.entries(texts)) test(about, () => check(text, about));

  test('a name that every object inherits goes as any other does', () => {
    const pod = (labels: string, status = '') =>
      `kind: Pod\nmetadata:\n  labels: ${labels}\n  annotations: {a: b${status}} # notes\nspec: {containers: [{name: a}]}\n`;
    const json = (text: string) => `${JSON.stringify(parse(text))}\n`;
    const before = `, sidecar.istio.io/status: '{"before":{"labels":{"constructor":null}}}'`;
    const given = pod('{b: c, constructor: x}', before);
    assert.equal(back(given), pod('{b: c}'));
    assert.equal(back(json(given)), json(pod('{b: c}')));
  });

  test('a text without a pod is left alone, whatever it is', () => {
    for (const text of [`---\n${service}---\n`, service.trimEnd(), '---\n', '\n\n', '# a\n---', '', `${service}...\n`])
      assert.equal(injected(text, 'envoy'), text);
  });
});

const name = fc.constantFrom('web', 'other', 'third');
const pod = fc.record({
  metadata: fc.record(
    {
      labels: fc.constantFrom({ app: 'web' }, { app: 'web', version: 'v1', team: 'yes' }),
      annotations: fc.constantFrom({ note: 'a: b # c' }, { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9' }),
    },
    { requiredKeys: ['labels'] },
  ),
  spec: fc.record(
    {
      serviceAccountName: fc.constant('bookinfo'),
      volumes: fc.constant([{ name: 'data', emptyDir: {} }]),
      initContainers: fc.constant([{ name: 'init', image: 'init', command: ['sh', '-c', "echo 'a: b'"] }]),
      containers: fc.uniqueArray(name, { minLength: 1 }).map(names =>
        names.map((each, i) => ({
          name: each,
          image: each,
          ...(i % 2 ? { args: ['- x', '#', '0400', 'no'] } : { env: [{ name: 'A', value: '1' }] }),
        })),
      ),
      nodeSelector: fc.constant({ 'kubernetes.io/os': 'linux' }),
    },
    { requiredKeys: ['containers'] },
  ),
});

/** Any pod in any layout, with comments and blank lines anywhere. */
const text = fc
  .record({
    pod,
    layout: fc.record({ indent: fc.integer({ min: 2, max: 8 }), indentSeq: fc.boolean() }),
    flow: fc.constantFrom(undefined, 'flow' as const, 'block' as const),
    quotes: fc.constantFrom('QUOTE_SINGLE' as const, 'PLAIN' as const, 'QUOTE_DOUBLE' as const),
    comments: fc.array(fc.nat(40), { maxLength: 5 }),
    isList: fc.boolean(),
    breaks: fc.constantFrom('\n', '\r\n'),
  })
  .map(({ pod, layout, flow, quotes, comments, isList, breaks }) => {
    const object = { apiVersion: 'v1', kind: 'Pod', ...pod, metadata: { name: 'web', ...pod.metadata } };
    const value = isList ? { apiVersion: 'v1', kind: 'List', items: [object, object] } : object;
    const kubectls = { version: '1.1', schema: 'yaml-1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;
    const lines = stringify(value, {
      ...kubectls,
      ...layout,
      ...(flow && { collectionStyle: flow }),
      defaultStringType: quotes,
      defaultKeyType: 'PLAIN',
    }).split('\n');
    for (const place of flow === 'flow' ? [] : comments)
      if (place < lines.length - 1)
        lines.splice(place, 0, place % 2 ? '' : `${' '.repeat(place % 7)}# comment ${place}`);
    return lines.join(breaks);
  });

test('any pod in any layout comes back to the letter, and every line of it is in what is injected', () => {
  fc.assert(
    fc.property(
      text,
      fc.constantFrom<Sidecar>('envoy', 'istio-proxy'),
      fc.constantFrom('', mesh.hold),
      (wrote, sidecar, settings) => {
        const out = injected(wrote, sidecar, { settings });
        assert.equal(back(out), wrote);
        assert.equal(injected(out, sidecar, { settings }), out);
        if (!wrote.trimStart().startsWith('{') && !wrote.includes('prometheus'))
          assert.ok(
            isWithin(
              wrote.split('\n').filter(line => !/[{}]/.test(line)),
              out.split('\n'),
            ),
            out,
          );
        assert.equal(objectsIn(out).length, objectsIn(wrote).length);
        compared++;
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(compared >= 150);
});
