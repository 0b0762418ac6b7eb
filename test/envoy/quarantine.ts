import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { typed } from '../../src/proto/any.ts';
import type { Bootstrap } from '../../src/proto/generated/envoy/config/bootstrap/v3.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { ApiConfigSource_ApiType, ApiVersion } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { toJson } from '../../src/proto/json.ts';
import { AdsServer } from '../../src/xds/ads-server.ts';
import type { Connection } from '../../src/xds/connection.ts';
import { type Snapshot, snapshot } from '../../src/xds/resource-set.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import { type Envoy, startEnvoy } from '../support/envoy.ts';
import { type ServedPort, servePort } from '../support/grpc-port.ts';
import { until } from '../support/until.ts';
import { secretMethods } from './secrets.ts';

const run = promisify(execFile);

const overPipe = (name: string, path: string): Cluster => ({
  name,
  connect_timeout: { seconds: 1 },
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http2_protocol_options: {} } },
    ),
  },
});

const bootstrap = (folder: string): Bootstrap => ({
  node: { id: 'sidecar~10.0.0.1~any.default~default.svc.cluster.local', cluster: 'any' },
  dynamic_resources: {
    ads_config: {
      api_type: ApiConfigSource_ApiType.DELTA_GRPC,
      transport_api_version: ApiVersion.V3,
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
    },
    cds_config: { ads: {}, resource_api_version: ApiVersion.V3 },
    lds_config: { ads: {}, resource_api_version: ApiVersion.V3 },
  },
  static_resources: {
    clusters: [overPipe('xds-grpc', join(folder, 'xds.sock')), overPipe('sds-grpc', join(folder, 'xds.sock'))],
  },
});

/** A network of its own, in which every address can be bound: proxies listen on their pods' addresses and on well-known ports. */
const isolated = [
  'unshare',
  '--map-root-user',
  '--net',
  'sh',
  '-c',
  // Access logs open /dev/stdout by its name, which the socket that Node would give it does not allow.
  'ip link set lo up && sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1 && exec "$@" > /dev/null 2>&1',
  'envoy',
];

/** Why this machine cannot give an Envoy a network of its own, for a test's `skip`. */
export async function isolationMissing(): Promise<string | false> {
  const [command = '', ...args] = isolated.slice(0, 3);
  return run(command, [...args, 'true']).then(
    () => false as const,
    (error: Error) => `no network namespaces: ${error.message}`,
  );
}

/** A real Envoy that is shown one configuration after another and says what it thinks of them; no traffic reaches it. */
export class Quarantine {
  readonly #folder: string;
  readonly #server: AdsServer<string>;
  readonly #port: ServedPort;
  readonly #envoy: Envoy;
  readonly #rejections: string[];
  #now: Snapshot;

  private constructor(
    folder: string,
    server: AdsServer<string>,
    port: ServedPort,
    envoy: Envoy,
    rejections: string[],
    show: (next: () => Snapshot) => void,
  ) {
    this.#folder = folder;
    this.#server = server;
    this.#port = port;
    this.#envoy = envoy;
    this.#rejections = rejections;
    this.#now = snapshot();
    show(() => this.#now);
  }

  static async start(version: string): Promise<Quarantine> {
    const folder = await mkdtemp(join(tmpdir(), 'quarantine-'));
    const rejections: string[] = [];
    let current = (): Snapshot => snapshot();
    const server = new AdsServer<string>({
      connect: node => ({ ok: true, client: node.id ?? '' }),
      snapshot: () => current(),
      onNack: (_, type, { message }) => rejections.push(`${type}: ${message}`),
    });
    const methods = { ...(await secretMethods()), ...server.methods };
    const port = await servePort(methods, { address: `unix:${join(folder, 'xds.sock')}` });
    const envoy = await startEnvoy({
      bootstrap: JSON.stringify(toJson('envoy.config.bootstrap.v3.Bootstrap', bootstrap(folder))),
      admin: '',
      version,
      within: isolated,
      args: ['--log-path', join(folder, 'envoy.log')],
    });
    const quarantine = new Quarantine(folder, server, port, envoy, rejections, next => {
      current = next;
    });
    await until('Envoy to subscribe', () => quarantine.ended || quarantine.#holds());
    return quarantine;
  }

  /** Whether the Envoy is no more: it has crashed. */
  get ended(): boolean {
    const { exitCode, signalCode } = this.#envoy.process;
    return exitCode !== null || signalCode !== null;
  }

  /** Shows a configuration in place of the one before; resolves to what the Envoy refuses of it, in its own words. */
  async judge(next: Snapshot): Promise<readonly string[]> {
    const before = this.#rejections.length;
    this.#now = next;
    this.#server.push();
    await until('Envoy to answer', () => this.ended || this.#rejections.length > before || this.#holds());
    if (!this.ended) return this.#rejections.slice(before);
    return [`Envoy has ended: ${await readFile(join(this.#folder, 'envoy.log'), 'utf8')}`];
  }

  async stop(): Promise<void> {
    await this.#envoy.stop();
    await this.#port.stop();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Whether the Envoy has taken everything: all clusters and listeners, and what these make it ask for. */
  #holds(): boolean {
    const [connection] = this.#server.connections;
    if (!connection?.settled) return false;
    const versions = (type: XdsType): string => this.#heldOf(connection, type);
    const wanted = (type: XdsType): string => textOf([...this.#now[type].list]);
    return versions('cluster') === wanted('cluster') && versions('listener') === wanted('listener');
  }

  #heldOf(connection: Connection<string>, type: XdsType): string {
    if (!connection.status().some(s => s.type === type)) return 'not asked for';
    return textOf([...connection.held().resources(type)]);
  }
}

const textOf = (resources: readonly { readonly name: string; readonly version: string }[]): string =>
  resources
    .map(({ name, version }) => `${name} ${version}`)
    .sort()
    .join('\n');
