import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The user that Istio's rules take for the proxy. */
export const PROXY_UID = 1337;

/** Where what runs beside the pods (the control plane) is reached. */
export const NODE_ADDRESS = '10.244.0.1';

/** The next hop of every pod; an address of the link, as Calico has it. */
const GATEWAY = '169.254.1.1';

/** The flags that Istio's webhook gives the init container. */
export const CAPTURE: readonly string[] =
  '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x= -b * -d 15090,15021,15020'.split(' ');

const PILOTLIGHT = join(import.meta.dirname, '../../src/main.ts');

/** Runs `pilotlight iptables` where `within` says; fails by what it says. */
export async function captureTraffic(within: readonly string[], flags: readonly string[]): Promise<string> {
  const [command = '', ...args] = [...within, process.execPath, PILOTLIGHT, 'iptables', ...flags];
  const { stderr } = await run(command, args);
  return stderr;
}

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

  /** Makes a pod's network; with `capture`, flags of `pilotlight iptables`, its traffic goes through its proxy. */
  async pod(name: string, address: string, capture?: readonly string[]): Promise<PodNetwork> {
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
    const within = ['ip', 'netns', 'exec', namespace];
    if (capture) await captureTraffic(within, capture);
    // With TPROXY it is root in the proxy's group: rules of the nat table would take what it passes on to the application for its user's.
    const user = capture?.includes('TPROXY') ? [] : [`--reuid=${PROXY_UID}`];
    const group = [`--regid=${PROXY_UID}`, '--clear-groups'];
    const readAll = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
    return { address, within, asProxy: [...within, 'setpriv', ...user, ...group, ...readAll] };
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
