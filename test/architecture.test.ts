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

const layerOf = (path: string): string => /^src\/([a-z]+)\//.exec(path)?.[1] ?? path;
const isGenerated = ({ path }: SourceFile): boolean => path.startsWith('src/proto/generated/');

/**
 * What each folder may import of the others: sources -> config -> model <- translate, and xds knows nothing of Istio. Everybody may use the
 * wire (proto) and YAML (yaml), memoisation (memo.ts), the clock, the table of bounds and node:http as the program has it (node-http.ts).
 */
const arrow: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  yaml: [],
  istio: [],
  config: ['istio'],
  model: ['config', 'istio'],
  kubernetes: [],
  sources: ['config', 'istio', 'kubernetes'],
  translate: ['model', 'config', 'istio'],
  grpc: [],
  rounds: ['config'],
  xds: ['grpc'],
  inject: ['model', 'config', 'istio'],
  security: ['model', 'config', 'istio'],
};

const everybodys: ReadonlySet<string> = new Set([
  'src/bounds.ts',
  'src/clock.ts',
  'src/memo.ts',
  'src/node-http.ts',
  'src/persistent-map.ts',
]);

/** Single files that a folder may import against the arrow. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  // Every resource carries the keys of the objects it came from; they are opaque names to the protocol.
  xds: ['src/istio/object.ts'],
};

/** Of the layers above, the model sees only how mistakes are reported and what a store holds. */
const ofConfig: Readonly<Record<string, RegExp>> = {
  model: /^src\/config\/(problem|store|host|selector|report|object|json|meta|address|kinds|raw|port|read|header)\.ts$/,
  translate: /^src\/config\/(problem|host|selector|address|re2|regex|duration|header|json|jwks)\.ts$/,
};

/** Files that see several layers: they put the line together. */
const composition =
  /^src\/(control-plane|proxy-handler|problem-log|bound-log|world|main|settings|log|version|memo|persistent-map|node-http|bounds|clock)\.ts$|^src\/(cli|http)\//;

for (const [folder, allowed] of Object.entries(arrow))
  test(`src/${folder} imports only ${['proto', 'yaml', ...allowed].join(', ')}`, () => {
    const wrong: string[] = [];
    for (const file of files.filter(f => layerOf(f.path) === folder))
      for (const imported of file.imports) {
        if (!imported.startsWith('src/') || everybodys.has(imported)) continue;
        const layer = layerOf(imported);
        if (layer === folder || layer === 'proto' || layer === 'yaml' || exceptions[folder]?.includes(imported))
          continue;
        const fits = layer === 'config' ? (ofConfig[folder]?.test(imported) ?? true) : true;
        if (!allowed.includes(layer) || !fits) wrong.push(`${file.path} imports ${imported}`);
      }
    assert.deepEqual(wrong, []);
  });

test('every folder has its place in the arrow', () => {
  const unknown = files.filter(({ path }) => !composition.test(path) && !(layerOf(path) in arrow)).map(f => f.path);
  assert.deepEqual(unknown, []);
});

test('nothing imports what puts the line together', () => {
  const above = /^src\/(control-plane|world|main|settings)\.ts$|^src\/(cli|http)\//;
  const wrong = files
    .filter(({ path }) => !composition.test(path))
    .flatMap(({ path, imports }) => imports.filter(i => above.test(i)).map(i => `${path} imports ${i}`));
  assert.deepEqual(wrong, []);
});

/** What a pure function has no use for: a clock, the environment, chance, output, waiting. */
const impure: readonly (readonly [string, RegExp])[] = [
  ['the clock', /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(Timeout|Interval|Immediate)\(/],
  ['the environment', /\bprocess\.(env|argv|cwd|stdout|stderr|exit)\b/],
  ['chance', /\bMath\.random\(|\brandom(UUID|Bytes|Int)\(/],
  ['the console', /\bconsole\.\w/],
  ['a promise', /\basync\b(?! )|\basync (?:function|\(|\w+ ?=>)|\bawait |\bnew Promise\(|: Promise</],
];

const purePackages = /^(node:(crypto|net|util)|protobufjs)$/;
/** Of xds, these take the decisions; its other files are the socket's. */
const pureOfXds = /^src\/xds\/(resource|resource-types|resource-set|subscription|view|wire|push|request|frame)\.ts$/;
const isPure = ({ path }: SourceFile): boolean =>
  /^src\/(yaml|istio|config|model|translate|inject)\//.test(path) || pureOfXds.test(path);

/** Comments may speak of what code must not use. */
const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');

test('yaml, config, model, translate, inject and the decisions of xds are pure', () => {
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
