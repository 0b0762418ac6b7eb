import { readFile, writeFile } from 'node:fs/promises';
import { problemLine } from '../config/problem.ts';
import { parseNode } from '../model/node.ts';
import { compare } from '../model/object.ts';
import type { Proxy } from '../model/proxy.ts';
import { fromJson, toJson } from '../proto/json.ts';
import { meshOptions, meshSettings } from '../settings.ts';
import type { Resource } from '../translate/resource.ts';
import type { Translation } from '../translate/translate.ts';
import { World } from '../world.ts';
import { type Arguments, type Command, type Io, UsageError } from './command.ts';
import { readFolder } from './folder.ts';

type MessageName =
  | 'envoy.config.cluster.v3.Cluster'
  | 'envoy.config.core.v3.TypedExtensionConfig'
  | 'envoy.config.endpoint.v3.ClusterLoadAssignment'
  | 'envoy.config.listener.v3.Listener'
  | 'envoy.config.route.v3.RouteConfiguration'
  | 'istio.networking.nds.v1.NameTable';

function section(name: MessageName, resources: readonly Resource<object>[]): object {
  const sorted = [...resources].sort((a, b) => compare(a.name, b.name));
  return { resources: Object.fromEntries(sorted.map(r => [r.name, toJson(name, r.message as never)])) };
}

/** A translation by type and name, as proto JSON with proto field names: what an ADS client would be sent. */
export const translationJson = (t: Translation): object => ({
  cds: section('envoy.config.cluster.v3.Cluster', t.clusters),
  eds: section('envoy.config.endpoint.v3.ClusterLoadAssignment', t.endpoints),
  lds: section('envoy.config.listener.v3.Listener', t.listeners),
  rds: section('envoy.config.route.v3.RouteConfiguration', t.routes),
  ...(t.extensions.length && { ecds: section('envoy.config.core.v3.TypedExtensionConfig', t.extensions) }),
  ...(t.nameTables.length && { nds: section('istio.networking.nds.v1.NameTable', t.nameTables) }),
});

async function readNode(file: string): Promise<Proxy> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--node: ${error.message}`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--node: ${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { value, problems } = fromJson('envoy.config.core.v3.Node', json);
  const [problem] = problems;
  if (problem) throw new UsageError(`--node: ${file}: ${problem.path}: ${problem.message}`);
  const parsed = parseNode(value);
  if (!parsed.ok) throw new UsageError(`--node: ${file}: ${parsed.message}`);
  return parsed.proxy;
}

async function run(args: Arguments, io: Io): Promise<number> {
  const { config, node, out } = args.options;
  if (!config || !node) throw new UsageError('--config DIR and --node FILE are needed');
  const proxy = await readNode(node);
  const contents = await readFolder(config).catch((error: Error) => {
    throw new UsageError(`--config: ${error.message}`);
  });
  const world = new World(contents, meshSettings(args));
  const { translation } = world.of(proxy);
  for (const problem of [...world.problems, ...translation.problems])
    io.err(`${problem.severity}: ${problemLine(problem)}\n`);
  const text = `${JSON.stringify(translationJson(translation), null, 1)}\n`;
  if (out && out !== '-') await writeFile(out, text);
  else io.out(text);
  return 0;
}

/** `pilotlight translate` */
export const translate: Command = {
  summary: 'Print what a proxy would be sent for a folder of YAML, without a server',
  usage: 'translate --config DIR --node NODE.json [--out FILE]',
  description: `Reads every *.yaml below DIR (meshconfig.yaml is the MeshConfig) and writes, as JSON, the clusters, endpoints, listeners and
routes of the proxy that NODE.json describes: a Node message as Envoy sends it. Problems go to standard error. Exit code 0 when it
translated, 2 when the input is unusable.`,
  options: {
    config: { value: 'DIR', help: 'The folder of objects' },
    node: { value: 'FILE', help: "The proxy's Node message in proto JSON" },
    out: { value: 'FILE', help: 'Where to write; - is standard output', default: '-' },
    ...meshOptions,
  },
  run,
};
