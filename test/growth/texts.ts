/** The beginning of a Service, into which the texts below grow. */
export const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  x: 1\n`;

const each = (n: number, text: (i: number) => string, join = '\n'): string =>
  Array.from({ length: Math.floor(n) }, (_, i) => text(i)).join(join);

/** Texts of n pieces, whatever a file can have many of. */
export const texts: Readonly<Record<string, (n: number) => string>> = {
  keys: n => each(n, i => `  k${i}: v`, '\n'),
  list: n => `  l:\n${'  - a\n'.repeat(n)}`,
  nested: n => `  l:\n${'  - - - a\n'.repeat(n)}`,
  flowlist: n => `  l: [${'a, '.repeat(n)}]`,
  flowmap: n => `  l: {${each(n, i => `k${i}: v`, ', ')}}`,
  flowlines: n => `  l: [\n${'a,\n'.repeat(n)}]`,
  comments: n => '# hello\n'.repeat(n),
  blank: n => `${'\n'.repeat(n * 4)}  b: c`,
  block: n => `  a: |\n${'    text\n'.repeat(n)}`,
  blockblank: n => `  a: |\n${'\n'.repeat(n * 5)}`,
  folded: n => `  a: >\n${'    text\n'.repeat(n)}`,
  plain: n => `  a:\n${'    text\n'.repeat(n)}`,
  plainblank: n => `  a: x\n${'\n'.repeat(n * 5)}    y`,
  dq: n => `  a: "${'  text\n'.repeat(n)}"`,
  dqesc: n => `  a: "${'\\n'.repeat(n * 3)}"`,
  sq: n => `  a: '${"''".repeat(n * 3)}'`,
  long: n => `  a: ${'x'.repeat(n * 5)}`,
  longkey: n => `  ${'x'.repeat(n * 5)}: a`,
  spaces: n => `  a: b${' '.repeat(n * 5)}`,
  anchors: n => each(n, i => `  k${i}: &a${i} v`, '\n'),
  aliases: n => `  a: &a v\n${each(n, i => `  k${i}: *a`, '\n')}`,
  anchoralias: n => each(n / 2, i => `  k${i}: &a${i} v\n  l${i}: *a${i}`, '\n'),
  merges: n => `  a: &a {x: y}\n${each(n, i => `  k${i}: {<<: *a}`, '\n')}`,
  mergeone: n => `  a: &a {x: y}\n  b:\n${'    <<: *a\n'.repeat(n)}`,
  mergebig: n => `  a: &a {${each(n / 2, i => `k${i}: v`, ', ')}}\n${each(n / 2, i => `  k${i}: {<<: *a}`, '\n')}`,
  dups: n => '  a: b\n'.repeat(n),
  open: n => `  a: ${'['.repeat(n)}`,
  openmap: n => `  a: ${'{a: '.repeat(n)}`,
  indent: n => Array.from({ length: Math.floor(Math.sqrt(n) * 2) }, (_, i) => `${' '.repeat(i + 2)}a:`).join('\n'),
  quest: n => '  ? a\n'.repeat(n),
  unq: n => `  a: ${'"a'.repeat(n)}`,
  colon: n => '  a: '.repeat(n),
  dash: n => '- '.repeat(n),
  tabs: n => `  a:${'\t'.repeat(n * 5)}a`,
  crlf: n => `  l:\r\n${'  - a\r\n'.repeat(n)}`,
  errors: n => `  a: [${'@a,'.repeat(n)}`,
  tags: n => `  l:\n${'  - !foo a\n'.repeat(n)}`,
  longtag: n => `  l: !${'a'.repeat(n * 5)} x`,
  docs: n => `\n---\n${'a: b\n---\n'.repeat(n)}`,
  docs2: n => `\n---\n${each(n / 4, i => service(`a${i}`), '---\n')}`,
  dots: n => `\n${'...\n'.repeat(n)}`,
  dotdocs: n => `\n${'...\na: b\n'.repeat(n)}`,
  seps: n => `\n${'---\n'.repeat(n)}`,
  directives: n => `---\n${'%YAML 1.1\n'.repeat(n)}`,
  directives2: n => `---\n${'%YAML 1.1\n---\n'.repeat(n)}`,
  digits: n => `  a: ${'1'.repeat(n * 5)}`,
  unders: n => `  a: 1${'_'.repeat(n * 5)}`,
  dots2: n => `  a: ${'.'.repeat(n * 5)}`,
  base64: n => `  a: !!binary ${'aGVs'.repeat(n)}`,
  braces: n => `  a: ${'{{'.repeat(n)}`,
  dollar: n => `  a: [${'${'.repeat(n)}`,
  json: n => `---\n{${each(n, i => `"k${i}": [1]`, ',\n')}}`,
  jsons: n => `---\n${'{"a": 1}'.repeat(n)}`,
  stars: n => `  a: ${'*'.repeat(n)}`,
  kinds: n => 'kind: Service\n'.repeat(n),
  listitems: n =>
    `---\napiVersion: v1\nkind: ServiceList\nitems:\n${each(n / 2, i => `- metadata: {name: b${i}}\n`, '')}`,
  badlabels: n =>
    `---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n${each(n, i => `    "-${i}": v`, '\n')}`,
  badhosts: n =>
    '---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts:\n' +
    '  - [1]\n'.repeat(n),
};
