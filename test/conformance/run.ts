#!/usr/bin/env node
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { problemLine } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigContents } from '../../src/config/store.ts';
import { Manifest } from '../../src/sources/manifest.ts';
import { World } from '../../src/world.ts';
import { contentsOf } from '../support/folder.ts';
import { expectedOf } from '../support/golden.ts';
import { type NamedProxy, proxiesOf, proxyOf } from '../support/proxies.ts';
import { askedFor, dumpOf, messagesOf, messagesOfDump } from '../support/translation.ts';
import { findings } from '../support/validators.ts';
import { compare, type Dump, report } from '../support/xds-diff.ts';
import { KnownDifferences } from './differences.ts';
import { type Family, families, isFamily } from './family.ts';
import { istiodEnvironment, Lab, type Reference } from './lab.ts';
import { type Scenario, scenario, scenarioNames } from './scenario.ts';
import { Score } from './score.ts';

const usage = `usage: npm run conformance -- [OPTIONS] [SCENARIO ...]

Brings each case of test/cases that does not stand alone into a real API server, asks the real istiod what it sends each proxy, translates the same
objects, and compares. What istiod said is kept in ~/.cache/pilotlight/conformance, by a hash of its input.
  -v N            show up to N differences of each resource
  --fresh         ask istiod again
  --family F      the mesh has addresses of ipv4 (default), ipv6 or dual (both)
  --min PERCENT   fail below that share of distinct resources that are equal (default 97)
`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    shown: { type: 'string', short: 'v', default: '0' },
    fresh: { type: 'boolean', default: false },
    family: { type: 'string', default: 'ipv4' },
    min: { type: 'string', default: '97' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

/** Ends with the usage's exit code where it is none. */
function familyOf(text: string): Family {
  if (isFamily(text)) return text;
  process.stderr.write(`--family: '${text}'; expected one of ${families.join(', ')}\n`);
  process.exit(2);
}

const family = familyOf(values.family);
const istiodVersion = readFileSync(join(import.meta.dirname, '..', 'lab', 'peers', 'istio', 'go.mod'), 'utf8');
const cacheFolder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pilotlight', 'conformance');

function contents(objects: readonly RawObject[], meshConfig: string): ConfigContents {
  const mesh = new Manifest('meshconfig.yaml');
  mesh.update(readFileSync(meshConfig));
  const settings = [...mesh.contents.objects.values()].map(({ object }) => object);
  return contentsOf({ objects: [...objects, ...settings], problems: [] });
}

const proxies = ({ folder, meshConfig }: Scenario, objects: readonly RawObject[]): readonly NamedProxy[] =>
  proxiesOf(folder, contents(objects, meshConfig));

let lab: Lab | undefined;

async function referenceOf(s: Scenario, fresh: boolean): Promise<Reference> {
  const file = join(cacheFolder, `${s.hash}.json.gz`);
  if (!fresh && existsSync(file)) return JSON.parse(gunzipSync(readFileSync(file)).toString()) as Reference;
  lab ??= await Lab.start(family);
  const reference = await lab.reference(s, objects => proxies(s, objects));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, gzipSync(JSON.stringify(reference)));
  return reference;
}

interface Result {
  readonly lines: readonly string[];
  readonly compared: readonly { readonly theirs: Dump; readonly ours: Dump }[];
}

/** What is as wrong with the reference: a user's mistake, which istiod passes on. */
function findingsOf(dump: Dump): ReadonlySet<string> {
  try {
    return new Set(findings(messagesOfDump(dump)));
  } catch {
    // xdsdump has no text for a few types of Istio's own Envoy.
    return new Set();
  }
}

/** Compares one scenario. `lines` are for people: the proxies that differ, and what is wrong with what we send. */
function judge(s: Scenario, reference: Reference): Result {
  const world = new World(contents(reference.objects, s.meshConfig), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
  const lines: string[] = [];
  if (values.shown !== '0') for (const problem of world.problems) lines.push(`problem: ${problemLine(problem)}`);
  const compared = proxies(s, reference.objects).map(proxy => {
    const theirs = reference.dumps[proxy.name] ?? {};
    const { translation } = world.of(proxyOf(proxy));
    const messages = askedFor(messagesOf(translation));
    if (values.shown !== '0')
      for (const problem of translation.problems) lines.push(`${proxy.name}: problem: ${problemLine(problem)}`);
    const ours = dumpOf(messages);
    const comparison = compare(theirs, ours);
    const shared = findingsOf(theirs);
    // What the user was told is not there, nobody is sent: istiod's routes name it too.
    for (const found of findings(messages, expectedOf(world, proxyOf(proxy))))
      if (!shared.has(found)) lines.push(`${proxy.name}: ${found}`);
    if (values.shown !== '0' && comparison.equal < comparison.total)
      lines.push(`${proxy.name}:`, report(comparison, Number(values.shown)));
    return { theirs, ours };
  });
  return { lines, compared };
}

const known = new KnownDifferences();
const total = new Score();
let failures = 0;

/** A scenario that the API server refuses, or that crashes us, must not hide the others. */
const failed = (name: string) => (error: unknown) => {
  failures++;
  process.stdout.write(`${name.padEnd(width)}    failed: ${error instanceof Error ? error.message : String(error)}\n`);
};

/** `type name` of the resources that differ and are not listed. */
const unlistedOf = (name: string, { compared }: Result): ReadonlySet<string> =>
  new Set(compared.flatMap(({ theirs, ours }) => known.unlisted(name, family, compare(theirs, ours))));

async function compareScenario(name: string): Promise<void> {
  const s = scenario(name, istiodVersion + istiodEnvironment, family);
  const own = new Score();
  let result = judge(s, await referenceOf(s, values.fresh));
  let unlisted = unlistedOf(name, result);
  // A busy istiod may answer from between two of its pushes. What really differs does so again.
  if (unlisted.size > 0) {
    result = judge(s, await referenceOf(s, true));
    unlisted = unlistedOf(name, result);
  }
  const { lines, compared } = result;
  for (const { theirs, ours } of compared) {
    const comparison = compare(theirs, ours);
    own.add(comparison, theirs, ours);
    total.add(comparison, theirs, ours);
  }
  failures += unlisted.size;
  const counts = `${own.equal}/${own.total}`.padStart(9);
  process.stdout.write(`${name.padEnd(width)} ${counts} ${own.percent.toFixed(1).padStart(6)} %\n`);
  for (const line of lines) process.stdout.write(`  ${line.replaceAll('\n', '\n  ')}\n`);
  for (const resource of unlisted) process.stdout.write(`  not in DIFFERENCES.md: ${resource}\n`);
}

const names = positionals.length > 0 ? positionals : scenarioNames();
const width = Math.max(...names.map(name => name.length));
try {
  for (const name of names) await compareScenario(name).catch(failed(name));
} finally {
  await lab?.stop();
}
process.stdout.write(
  `${names.length} scenarios: ${total.equal} of ${total.total} distinct resources equal istiod's, ${total.percent.toFixed(2)} %\n`,
);
for (const row of known.outdated(names, family))
  process.stdout.write(`no longer different, but in DIFFERENCES.md: ${row}\n`);
if (failures > 0 || total.percent < Number(values.min)) process.exitCode = 1;
