import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { stringify } from 'yaml';
import type { Problem } from '../../src/config/problem.ts';
import { identify } from '../../src/model/identify.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import type { Scope } from '../../src/model/scope/scope.ts';
import { World } from '../../src/world.ts';
import { pushOrder } from '../../src/xds/resource-types.ts';
import { type Case, caseFolder, caseNames, isAlone } from './case.ts';
import { contentsOf, readObjects, yamlFiles } from './folder.ts';
import { hasAgent, type NamedProxy, proxiesOf, proxyOf } from './proxies.ts';
import { shuffled } from './shuffle.ts';
import { dumpOf, type Messages, messagesOf, messageTypes } from './translation.ts';
import { type Expectations, outboundParts } from './validators.ts';

/** A case that stands alone. */
export function goldenCase(name: string): Case {
  const { folder, objects: own, meshConfig } = caseFolder(name);
  const settings = meshConfig === undefined ? undefined : readObjects(folder, [meshConfig]);
  const objects = {
    objects: [...own.objects, ...(settings?.objects ?? [])],
    problems: [...own.problems, ...(settings?.problems ?? [])],
  };
  return { name, folder, objects, proxies: proxiesOf(folder, contentsOf(objects)), world: () => worldOf({ objects }) };
}

/** Every case that stands alone, by name. */
export const goldenCases = (): readonly Case[] => caseNames().filter(isAlone).map(goldenCase);

/** The world of a case; `seed` shuffles its objects. */
export function worldOf({ objects }: Pick<Case, 'objects'>, seed?: number): World {
  const given = seed === undefined ? objects : { ...objects, objects: shuffled(objects.objects, seed) };
  return new World(contentsOf(given), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
}

/** What one proxy of a case is sent. */
export interface GoldenOutput {
  readonly proxy: NamedProxy;
  readonly messages: Messages;
  /** By type, `name bytes` of every resource in the order of the snapshot. */
  readonly bytes: Readonly<Record<string, readonly string[]>>;
  readonly problems: readonly Problem[];
  /** What a check of the messages may take for granted. */
  readonly expected: Expectations;
}

/** Whether a scope has no Service port, or its rule no subset, that an outbound cluster is named after. */
const lacksIn =
  ({ services, destinationRules }: Scope) =>
  (cluster: string): boolean => {
    const { host, port, subset } = outboundParts(cluster) ?? {};
    const service = services.find(s => s.hostname === host && s.ports.some(p => p.port === Number(port)));
    if (!service || !subset) return !service;
    return !destinationRules.get(service.hostname)?.rule.spec.subsets?.some(s => s.name === subset);
  };

/** What a check of what a proxy is sent may take for granted. */
export function expectedOf(world: World, proxy: Proxy): Expectations {
  const { scope } = identify(world.mesh, proxy);
  const { problems } = world.of(proxy).translation;
  return { problems: [...world.problems, ...problems], lacks: lacksIn(scope), agent: hasAgent(proxy) };
}

/** Translates for every proxy of a case. */
export const outputsOf = (world: World, proxies: readonly NamedProxy[]): readonly GoldenOutput[] =>
  proxies.map(proxy => {
    const { translation, snapshot } = world.of(proxyOf(proxy));
    const bytes = pushOrder.map((type): [string, readonly string[]] => [
      type,
      snapshot[type].list.map(r => `${r.name} ${r.bytes.toString('base64')}`),
    ]);
    return {
      proxy,
      messages: messagesOf(translation),
      bytes: Object.fromEntries(bytes),
      problems: translation.problems,
      expected: expectedOf(world, proxyOf(proxy)),
    };
  });

/** Fails where two worlds do not send the proxies of a case the same bytes and problems, or send nothing that could differ. */
export function assertSame(found: readonly GoldenOutput[], expected: readonly GoldenOutput[]): void {
  const isSent = (type: string): boolean => expected.some(({ bytes }) => bytes[type]?.length);
  assert.ok(isSent('cluster') && isSent('listener'), 'there is something that could differ');
  for (const [i, { proxy, bytes, problems }] of expected.entries()) {
    assert.deepEqual(found[i]?.bytes, bytes, proxy.name);
    assert.deepEqual(found[i]?.problems, problems, proxy.name);
  }
}

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

const problemsFile = (problems: readonly Problem[]): string =>
  yaml(problems.map(({ object, path, message, severity }) => ({ object, path, message, severity })));

/** The files that a case is to have, by path relative to its folder. */
export function goldenFiles(world: World, outputs: readonly GoldenOutput[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  if (world.problems.length > 0) files.set('problems.yaml', problemsFile(world.problems));
  for (const { proxy, messages, problems } of outputs) {
    const dump = dumpOf(messages);
    for (const { list, discovery } of messageTypes) {
      const resources = Object.values(dump[discovery]);
      if (resources.length > 0) files.set(join(proxy.name, `${list}.yaml`), yaml(resources));
    }
    const tables = Object.values(dump.nds);
    if (tables.length > 0) files.set(join(proxy.name, 'names.yaml'), yaml(tables));
    if (problems.length > 0) files.set(join(proxy.name, 'problems.yaml'), problemsFile(problems));
  }
  return files;
}

/** The files of a case that hold output, as they are. */
export function writtenFiles(folder: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const take = (file: string): void => void files.set(relative(folder, file), readFileSync(file, 'utf8'));
  if (existsSync(join(folder, 'problems.yaml'))) take(join(folder, 'problems.yaml'));
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== 'nodes') yamlFiles(join(folder, entry.name)).forEach(take);
  return files;
}

/** Makes the output on disk what it is to be; outdated files go. */
export function rewrite(folder: string, files: ReadonlyMap<string, string>): void {
  for (const name of writtenFiles(folder).keys()) if (!files.has(name)) rmSync(join(folder, name));
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const empty = entry.isDirectory() && readdirSync(join(folder, entry.name)).length === 0;
    if (empty) rmSync(join(folder, entry.name), { recursive: true });
  }
  for (const [name, text] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
