import { readFile, writeFile } from 'node:fs/promises';
import { type Arguments, type Io, UsageError } from '../command.ts';
import { problemLine } from '../config/problem.ts';
import { compare } from '../istio/object.ts';
import { parseNode } from '../model/proxy/node.ts';
import type { Proxy } from '../model/proxy/proxy.ts';
import { fromJson, toJson } from '../proto/json.ts';
import { readMeshOptions } from '../settings/settings.ts';
import type { Resource } from '../translate/resource.ts';
import type { Translation } from '../translate/translate.ts';
import { messageOf } from '../unknown.ts';
import { World } from '../world.ts';
import { resourceTypes, type XdsType } from '../xds/resource-types.ts';
import { readFolder } from './folder.ts';
import { orOsError } from './os-error.ts';

function section(type: XdsType, resources: readonly Resource<object>[]): object {
  const sorted = [...resources].sort((a, b) => compare(a.name, b.name));
  const { message } = resourceTypes[type];
  return { resources: Object.fromEntries(sorted.map(r => [r.name, toJson(message, r.message as never)])) };
}

/** A translation by type and name, as proto JSON with proto field names: what an ADS client would be sent. */
const translationJson = (t: Translation): object => ({
  cds: section('cluster', t.clusters),
  eds: section('endpoint', t.endpoints),
  lds: section('listener', t.listeners),
  rds: section('route', t.routes),
  ...(t.extensions.length && { ecds: section('extension', t.extensions) }),
  ...(t.nameTables.length && { nds: section('nameTable', t.nameTables) }),
});

async function readNode(file: string): Promise<Proxy> {
  const text = await orOsError(`--node: ${file}`, readFile(file, 'utf8'));
  if (!text.trim()) throw new UsageError(`--node: ${file} is empty`);
  let json: unknown;
  try {
    // Editors of Windows begin a file with a byte order mark.
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new UsageError(`--node: ${file} is no JSON: ${messageOf(error)}`);
  }
  const { value, problems } = fromJson('envoy.config.core.v3.Node', json);
  const [problem] = problems;
  if (problem) throw new UsageError(`--node: ${file}: ${problem.path && `${problem.path}: `}${problem.message}`);
  const parsed = parseNode(value);
  if (!parsed.ok) throw new UsageError(`--node: ${file}: ${parsed.message}`);
  return parsed.proxy;
}

/** Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const { config, node, out } = args.options;
  if (!config || !node) throw new UsageError('--config DIR and --node FILE are needed');
  const proxy = await readNode(node);
  const contents = await readFolder(config);
  const world = new World(contents, readMeshOptions(args));
  const { translation } = world.of(proxy);
  for (const problem of [...world.problems, ...translation.problems])
    io.err(`${problem.severity}: ${problemLine(problem)}\n`);
  const text = `${JSON.stringify(translationJson(translation), null, 1)}\n`;
  if (!out || out === '-') io.out(text);
  else await orOsError(`--out: ${out}`, writeFile(out, text));
  return 0;
}
