import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Manifest } from '../../src/sources/manifest.ts';
import { file, keys, problems, routes, service, value } from './file.ts';

test('an anchor that contains itself is a mistake of its document, whatever kind it is in', () => {
  for (const document of [
    'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: &x\n  again: [{deep: *x}]\n',
    'apiVersion: v1\nkind: Service\nmetadata: &x {name: a, annotations: {again: *x}}\n',
    routes('{http: &x [*x]}'),
  ]) {
    const found = file(`${service('b')}---\n${document}---\n${service('c')}`);
    assert.equal(keys(found), 'Service/shop/b Service/shop/c');
    assert.match(problems(found), /^error File\/a\.yaml line 1\d: the anchor x contains itself$/);
  }
});

test('aliases stand for what they name, until they stand for too much', () => {
  const used = file(`${service('a')}  selector: &s {app: a}\n  other: *s\n  more: {<<: *s, b: c}\n`);
  assert.deepEqual(value(used, 'Service/shop/a')?.['spec'], {
    ports: [{ port: 80 }],
    selector: { app: 'a' },
    other: { app: 'a' },
    more: { app: 'a', b: 'c' },
  });
  const levels = Array.from({ length: 12 }, (_, i) => `  b${i}: &b${i} [${Array(12).fill(i ? `*b${i - 1}` : 'x')}]\n`);
  const bomb = file(service('a') + levels.join(''));
  assert.match(problems(bomb), /line 1\d: aliases stand for more than 10000 values here/);
});

test('nesting has a depth that is told', () => {
  for (const [open, close] of ['[]', ['{a: ', '}']]) {
    const deep = (depth: number) => file(`${service('a')}  x: ${open?.repeat(depth)}${close?.repeat(depth)}\n`);
    assert.equal(problems(deep(125)), '');
    for (const depth of [130, 1_000, 100_000]) assert.match(problems(deep(depth)), /nested more than 128 deep/);
  }
});

test('a line that begins with % takes no document away', () => {
  const notes = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata:\n  text: "fifty\n% of it"\n';
  const all = file([service('a'), notes, service('b')].join('---\n'));
  assert.equal(keys(all), 'Service/shop/a Service/shop/b');
  assert.equal(
    problems(all),
    'warning File/a.yaml : an object of kind ConfigMap (v1) skipped: not a kind that is read',
  );

  assert.equal(keys(file(`%YAML 1.1\n---\n${service('a')}---\n${service('b')}`)), 'Service/shop/a Service/shop/b');
  const stray = file(`${service('a')}---\n${service('b')}% note\n---\n${service('c')}`);
  assert.equal(keys(stray), 'Service/shop/a Service/shop/b Service/shop/c');
  assert.match(problems(stray), /^error File\/a\.yaml line 18: a line that begins with % is a directive/);
});

test('a document after ... counts, and one that is not set off is a mistake', () => {
  assert.equal(keys(file(`${service('a')}...\n${service('b')}`)), 'Service/shop/a Service/shop/b');
  assert.match(
    problems(file(`{apiVersion: v1, kind: Service, metadata: {name: a}}\n${service('b')}`)),
    /line 2: the document has ended/,
  );
});

test('YAML 1.1 counts, as with kubectl', () => {
  const found = file(
    `${routes('{http: [{corsPolicy: {allowCredentials: yes}, match: [{port: 0400}, {port: 1_000}, {port: 0x50}]}]}')}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: six}
spec: {addresses: [192.0.2.7, 2001:db8::, "::1"]}
`,
  );
  assert.equal(problems(found), '');
  assert.deepEqual(value(found, 'VirtualService/default/shop')?.['spec'], {
    http: [{ corsPolicy: { allowCredentials: true }, match: [{ port: 256 }, { port: 1000 }, { port: 80 }] }],
  });
  assert.deepEqual(value(found, 'ServiceEntry/default/six')?.['spec'], {
    addresses: ['192.0.2.7', '2001:db8::', '::1'],
  });
  const unquoted = file(`${service('a')}  addresses: [::1]\n`);
  assert.match(problems(unquoted), /line 9: a text that begins with a colon needs quotes/);
});

test('of a key that stands twice the last counts, and that is said', () => {
  const found = file(
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n  labels: {app: shop}\n  labels: {app: shop, tier: front}\n',
  );
  assert.deepEqual(found.contents.objects.values().next().value?.object.metadata.labels, {
    app: 'shop',
    tier: 'front',
  });
  assert.equal(problems(found), 'warning File/a.yaml line 6: metadata.labels stands twice; the last counts');
});

test('JSON is read, one object or many', () => {
  const manifest = new Manifest('a.json');
  const object = (name: string) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name } }, null, '\t');
  manifest.update(Buffer.from(`${object('a')}\n${object('b')}${object('c')}`));
  assert.equal(keys(manifest), 'Service/default/a Service/default/b Service/default/c');
  const other = new Manifest('package.json');
  other.update(Buffer.from('{"name": "shop"}'));
  assert.equal(problems(other), 'warning File/package.json : skipped: it holds no object of Kubernetes');
});

test('JSON that is of Kubernetes by its words is read as such, however wrong', () => {
  const said = (text: string): string => {
    const file = new Manifest('a.json');
    file.update(Buffer.from(text));
    return problems(file);
  };
  const object = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}';
  assert.match(said(`// a note\n${object}`), /^error File\/a\.json line 1/);
  assert.match(said(object.replace('"kind"', ' "kind" ').replace('"v1",', '"v1"')), /^error File\/a\.json line 1/);
  assert.match(said(object.replace('"a"', '"A"')), /^error Service\/default\/A metadata\.name/);
  assert.match(said(object.replace('"Service"', '"Servce"')), /Servce/);
});

test('UTF-16 with its mark is text, and bytes that are no text are none', () => {
  const text = `${service('a')}---\n${routes('{hosts: [shöp]}')}`;
  const little = Buffer.from(`\ufeff${text}`, 'utf16le');
  for (const bytes of [little, Buffer.from(little).swap16(), Buffer.from(`\ufeff${text}`)]) {
    assert.equal(keys(file(bytes)), 'Service/shop/a VirtualService/default/shop');
    assert.equal(keys(file(service('b'), bytes)), 'Service/shop/a VirtualService/default/shop');
  }
  assert.equal(
    keys(file(`${service('a')}\ufeff---\n${service('b')}---\n\ufeff${service('c')}`)),
    'Service/shop/a Service/shop/b Service/shop/c',
  );

  for (const [bytes, said] of [
    [Buffer.from(service('w\xe9b'), 'latin1'), /line 4: these bytes are no UTF-8/],
    [Buffer.from(service('web'), 'utf16le'), /line 1: control characters are not allowed: U\+0000/],
    [little.subarray(0, little.length - 1), /line 1: it begins as UTF-16 and is none/],
    [Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]), /line 1: these bytes are no UTF-8/],
  ] as const) {
    const found = file(service('a'), bytes);
    assert.equal(keys(found), 'Service/shop/a');
    assert.match(problems(found), said);
    assert.match(problems(found), /1 of its objects are not to be read now/);
  }
});

test('what cannot be identified keeps what the file had', () => {
  for (const text of [
    '',
    ' \n',
    'hello\n',
    '[]\n',
    '7\n',
    '{{ include "x" . }}\n',
    'kind: Service\nmetadata: {}\n',
    'apiVersion: v1\nkind: Service\nmetadata: {}\n',
    'apiVersion: v1\nkind: Service\nmetadata: {name: 7}\n',
    'apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: [b]}\n',
    'apiVersion: v1\nkind: Service\nmetadata: {name: "A"}\n',
    'apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}\n',
    'apiVersion: v1\nmetadata: {name: a}\n',
    'apiVersion: v1\nkind: List\nitems: [7]\n',
    'a: "b\n',
  ]) {
    const found = file(`${service('a')}---\n${service('b')}`, text);
    assert.equal(keys(found), 'Service/shop/a Service/shop/b', text);
    assert.match(problems(found), /^error /, text);
    assert.match(problems(found), /2 of its objects are not to be read now; their last versions stay in force$/);
    found.update(Buffer.from(service('b')));
    assert.equal(keys(found), 'Service/shop/b', 'and a whole file that follows does not');
    assert.equal(problems(found), '');
  }
});

test('a template is called one', () => {
  for (const text of [
    service('{{ .Name }}'),
    service('"{{ .Name }}"'),
    'apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Name }}}\n',
    '{{- if .Values.shop }}\napiVersion: v1\n{{- end }}\n',
    service('a').replace('namespace: shop', `namespace: "$\{SPACE}"`),
  ]) {
    assert.match(problems(file(text)), /template/, text);
  }
});

test('a file that breaks in many places tells of the first', () => {
  const found = file(`${service('a')}---\n7\n`.repeat(1_000));
  assert.equal(found.contents.problems.length, 101);
  assert.match(problems(found), /\d+ more problems are not shown/);
});
