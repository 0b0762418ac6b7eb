import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

interface SourceFile {
  /** `src/model/mesh.ts` */
  readonly path: string;
  readonly text: string;
  /** Paths of the files it imports, and names of packages. */
  readonly imports: readonly string[];
}

/** Import and export-from statements, also over several lines; dynamic imports as well. */
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'";]*?from\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|import\(\s*'([^']+)'\s*\)/g;

const files: readonly SourceFile[] = globSync('src/**/*.ts', { cwd: root })
  .sort()
  .map(path => {
    const text = readFileSync(join(root, path), 'utf8');
    const imports = [...text.matchAll(importPattern)].map(([, from, bare, dynamic]) => {
      const name = from ?? bare ?? dynamic ?? '';
      return name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name;
    });
    return { path, text, imports };
  });

const isGenerated = ({ path }: SourceFile): boolean => path.startsWith('src/proto/generated/');

/** What each folder stands on, and what that stands on: a file imports from nowhere else. Files of `base` are everybody's. */
const standsOn: Readonly<Record<string, readonly string[]>> = {
  base: [],
  proto: [],
  yaml: [],
  grpc: [],
  xds: ['grpc', 'proto'],
  kubernetes: ['yaml'],
  // The rules of a pod's network; what the control plane makes of objects is nothing to it.
  iptables: [],
  istio: ['proto'],
  config: ['istio', 'yaml'],
  rounds: ['config'],
  sources: ['config', 'kubernetes'],
  model: ['config'],
  // Certificates and identities; it knows no object of Istio but SPIFFE ids.
  security: ['istio', 'grpc'],
  translate: ['model'],
  // The mesh's certificate authority in a cluster: what is kept there, and what its leader does.
  authority: ['sources', 'security'],
  // Pods and their sidecars; it knows nothing of what proxies are sent.
  injection: ['config'],
  // What puts the line together: the files of src itself, who may have what, the ports, the pages, the log and the commands.
  composition: ['translate', 'injection', 'sources', 'rounds', 'xds', 'authority', 'iptables'],
};

const base = /^src\/(bounds|clock|lists|memo|node-http|object-key|persistent-map|slices|tls|unknown)\.ts$/;

const composition = /^src\/(access|certificates|cli|http|log|ports|settings)\//;

function layerOf(path: string): string {
  if (base.test(path)) return 'base';
  const folder = /^src\/([a-z]+)\//.exec(path)?.[1];
  return folder === undefined || composition.test(path) ? 'composition' : folder;
}

const below = (layer: string): readonly string[] => [
  layer,
  'base',
  ...(standsOn[layer] ?? assert.fail(`${layer} has no place among the layers`)).flatMap(below),
];

test('every layer imports only what it stands on', () => {
  const wrong = files.flatMap(({ path, imports }) => {
    const allowed = new Set(below(layerOf(path)));
    return imports.filter(i => i.startsWith('src/') && !allowed.has(layerOf(i))).map(i => `${path} imports ${i}`);
  });
  assert.deepEqual(wrong, []);
});

/** The rooms of a folder: each may import those before it. Files beside the rooms stand wherever they make no circle. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  'src/model': ['incremental', 'services', 'endpoints', 'routing', 'policies', 'scope', 'proxy'],
  'src/translate': [
    'destinations',
    'endpoints',
    'filters',
    'clusters',
    'routes',
    'listeners',
    'secrets',
    'envoy-filter',
  ],
  'src/translate/listeners': ['telemetry', 'chains', 'outbound', 'inbound', 'gateway'],
};

/** For two files, the folder that holds both, and what of it holds each. */
function apart(from: string, to: string): { readonly folder: string; readonly from: string; readonly to: string } {
  const [a, b] = [from.split('/'), to.split('/')];
  const at = a.findIndex((part, i) => part !== b[i]);
  return { folder: a.slice(0, at).join('/'), from: a[at] ?? '', to: b[at] ?? '' };
}

const steps = files
  .filter(file => !isGenerated(file))
  .flatMap(({ path, imports }) =>
    imports.filter(i => i.startsWith('src/') && i !== path).map(i => ({ ...apart(path, i), path, imported: i })),
  );

for (const [folder, order] of Object.entries(rooms))
  test(`the rooms of ${folder} stand on one another in order`, () => {
    const found = new Set(
      files.flatMap(
        ({ path }) => (path.startsWith(`${folder}/`) ? path.split('/') : []).at(folder.split('/').length) ?? [],
      ),
    );
    assert.deepEqual([...found].filter(name => !name.endsWith('.ts')).sort(), [...order].sort());
    const wrong = steps.filter(
      s =>
        s.folder === folder &&
        order.includes(s.to) &&
        order.indexOf(s.from) < order.indexOf(s.to) &&
        order.includes(s.from),
    );
    assert.deepEqual(
      wrong.map(({ path, imported }) => `${path} imports ${imported}`),
      [],
    );
  });

/** The ways round in a graph: for each node that can come back to itself, the nodes on the way. */
function circles(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const done = new Set<string>();
  const way: string[] = [];
  const found: string[] = [];
  const visit = (node: string): void => {
    const before = way.indexOf(node);
    if (before >= 0) found.push([...way.slice(before), node].join(' -> '));
    if (before >= 0 || done.has(node)) return;
    way.push(node);
    for (const next of graph.get(node) ?? []) visit(next);
    way.pop();
    done.add(node);
  };
  for (const node of graph.keys()) visit(node);
  return found;
}

test('what a folder holds, files and folders, imports one another in no circle', () => {
  const graphs = new Map<string, Map<string, Set<string>>>();
  for (const { folder, from, to } of steps) {
    const graph = graphs.get(folder) ?? new Map<string, Set<string>>();
    graphs.set(folder, graph.set(from, (graph.get(from) ?? new Set()).add(to)));
  }
  assert.ok(graphs.size > 10, `${graphs.size} folders were looked at`);
  const found = [...graphs].flatMap(([folder, graph]) => circles(graph).map(circle => `${folder}: ${circle}`));
  assert.deepEqual(found, []);
});

test('a circle is found', () => {
  const graph = new Map([
    ['a', new Set(['b'])],
    ['b', new Set(['c', 'd'])],
    ['c', new Set(['a'])],
  ]);
  assert.deepEqual(circles(graph), ['a -> b -> c -> a']);
});

/** What a pure function has no use for: a clock, the environment, chance, output, waiting. */
const impure: readonly (readonly [string, RegExp])[] = [
  ['the clock', /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(Timeout|Interval|Immediate)\(/],
  ['the environment', /\bprocess\.(env|argv|cwd|stdout|stderr|exit)\b/],
  ['chance', /\bMath\.random\(|\brandom(UUID|Bytes|Int)\(/],
  ['the console', /\bconsole\.\w/],
  ['a promise', /\basync\b(?! )|\basync (?:function|\(|\w+ ?=>)|\bawait |\bnew Promise\(|: Promise</],
];

const purePackages = /^(node:(crypto|net|util)|protobufjs|re2js)$/;
/** Of xds, these take the decisions; its other files are the socket's. */
const pureOfXds = /^src\/xds\/(resource|resource-types|resource-set|subscription|view|wire|push|request|frame)\.ts$/;
const isPure = ({ path }: SourceFile): boolean =>
  /^src\/(yaml|istio|config|model|translate|injection)\//.test(path) || pureOfXds.test(path);

/** Comments may speak of what code must not use. */
const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');

test('yaml, istio, config, model, translate, injection and the decisions of xds are pure', () => {
  const wrong = files.filter(isPure).flatMap(file => {
    const code = withoutComments(file.text);
    return [
      ...impure.filter(([, pattern]) => pattern.test(code)).map(([what]) => `${file.path} uses ${what}`),
      ...file.imports
        .filter(name => !name.startsWith('src/') && !purePackages.test(name))
        .map(name => `${file.path} imports ${name}`),
    ];
  });
  assert.deepEqual(wrong, []);
});

test('no file is longer than 400 lines', () => {
  const others = globSync(['test/**/*.ts', 'proto/**/*.ts'], { cwd: root }).map(path => ({
    path,
    text: readFileSync(join(root, path), 'utf8'),
    imports: [],
  }));
  const long = [...files, ...others]
    .filter(file => !isGenerated(file))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400);
  assert.deepEqual(long, []);
});

test('what src exports, src uses: what only tests call is theirs', () => {
  const code = files
    .filter(file => !isGenerated(file))
    .map(({ path, text }) => ({ path, text: withoutComments(text) }));
  const dead = code.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:abstract )?(?:async )?(?:const|function\*?|class) (\w+)/gm)]
      .map(([, name = '']) => ({ path, name, used: new RegExp(`\\b${name}\\b`, 'g') }))
      .filter(
        ({ used }) =>
          (text.match(used)?.length ?? 0) < 2 && !code.some(other => other.path !== path && used.test(other.text)),
      )
      .map(({ name }) => `${path} exports ${name}`),
  );
  assert.deepEqual(dead, []);
});
