import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The user that Istio's rules take for the proxy. */
export const PROXY_UID = 1337;

/** Where what runs beside the pods (the control plane) is reached. */
export const NODE_ADDRESS = '10.244.0.1';

/** The next hop of every pod; an address of the link, as Calico has it. */
const GATEWAY = '169.254.1.1';

/** The nat rules that `istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020` makes. */
const ISTIO_RULES = `*nat
-N ISTIO_INBOUND
-N ISTIO_REDIRECT
-N ISTIO_IN_REDIRECT
-N ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
COMMIT
`;

/** Gives rules to `iptables-restore` in a namespace, beside those that are there. */
async function restore(namespace: string, rules: string): Promise<void> {
  const child = spawn('ip', ['netns', 'exec', namespace, 'iptables-restore', '--noflush'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.end(rules);
  const code = await new Promise(resolve => child.once('close', resolve));
  if (code !== 0) throw new Error(`iptables-restore in ${namespace}: ${said}`);
}

/** The network of one pod. */
export interface PodNetwork {
  readonly address: string;
  /** The command that runs another one in it as root: as the application, to Istio's rules. */
  readonly within: readonly string[];
  /** The same as the proxy's user, who may read what root may: binaries lie where root has put them. */
  readonly asProxy: readonly string[];
}

/**
 * Pods' networks on this machine: a namespace each, joined by links to one more that is the Kubernetes node, which routes between them and
 * spreads Services as kube-proxy does. Every address and rule is in a namespace made here; `stop` takes them away. Needs root.
 */
export class Network {
  readonly #tag = `pilotlight-${process.pid}-${randomBytes(3).toString('hex')}`;
  readonly #namespaces: string[] = [];
  #node = '';
  #links = 0;
  readonly #atExit = (): void => {
    for (const name of this.#namespaces) execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  };

  static async create(): Promise<Network> {
    const network = new Network();
    // A test that is interrupted has no time for `stop`.
    process.once('exit', network.#atExit);
    network.#node = await network.#namespace('node');
    await network.#batch(network.#node, [`addr add ${NODE_ADDRESS}/32 dev lo`]);
    await run('ip', ['netns', 'exec', network.#node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    return network;
  }

  /** The command that runs another one on the node. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#node];
  }

  /** Makes a pod's network; with `redirected`, Istio's rules send its connections through its proxy. */
  async pod(name: string, address: string, redirected: boolean): Promise<PodNetwork> {
    const link = `pod${++this.#links}`;
    const namespace = await this.#namespace(name);
    await this.#batch(this.#node, [
      `link add ${link} type veth peer name eth0 netns ${namespace}`,
      `addr add ${GATEWAY}/32 dev ${link}`,
      `link set ${link} up`,
      `route add ${address}/32 dev ${link}`,
    ]);
    await this.#batch(namespace, [
      `addr add ${address}/32 dev eth0`,
      'link set eth0 up',
      `route add ${GATEWAY}/32 dev eth0`,
      `route add default via ${GATEWAY}`,
    ]);
    if (redirected) await restore(namespace, ISTIO_RULES);
    const within = ['ip', 'netns', 'exec', namespace];
    const user = [`--reuid=${PROXY_UID}`, `--regid=${PROXY_UID}`, '--clear-groups'];
    const readAll = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
    return { address, within, asProxy: [...within, 'setpriv', ...user, ...readAll] };
  }

  /** Spreads a cluster IP's connections over endpoints by chance, as kube-proxy's iptables do. */
  async service(clusterIp: string, port: number, endpoints: readonly string[]): Promise<void> {
    const rules = endpoints.map((endpoint, i) => {
      const left = endpoints.length - i;
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : '';
      return `-A PREROUTING -d ${clusterIp}/32 -p tcp --dport ${port} ${chance}-j DNAT --to-destination ${endpoint}`;
    });
    await restore(this.#node, ['*nat', ...rules, 'COMMIT', ''].join('\n'));
  }

  /** Takes every namespace away, and with it all that is in it; what runs in them must have ended. */
  async stop(): Promise<void> {
    for (const name of this.#namespaces.splice(0)) await run('ip', ['netns', 'del', name]);
    process.off('exit', this.#atExit);
  }

  async #namespace(name: string): Promise<string> {
    const namespace = `${this.#tag}-${name}`;
    await run('ip', ['netns', 'add', namespace]);
    this.#namespaces.push(namespace);
    await this.#batch(namespace, ['link set lo up']);
    return namespace;
  }

  async #batch(namespace: string, commands: readonly string[]): Promise<void> {
    for (const command of commands) await run('ip', ['-n', namespace, ...command.split(' ')]);
  }
}
