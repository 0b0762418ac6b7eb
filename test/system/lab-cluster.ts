import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

const run = promisify(execFile);

const SCRIPTS = join(import.meta.dirname, '../lab/cluster');
/** The cluster's programs, and where they find it. */
const ENV = `. '${SCRIPTS}/env.sh'`;

const LIMIT = '--timeout=10m';

interface Container {
  readonly name: string;
  readonly image: string;
}

/** A Pod, as far as it is read here. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly containers: readonly Container[]; readonly initContainers?: readonly Container[] };
  readonly status: { readonly podIP?: string };
}

/** The lab's real single-node cluster: https://10.231.0.2:6443, with pods and ClusterIPs in reach of this machine. */
export class LabCluster {
  /** Whether it ran already, so that it is to be left running. */
  readonly found: boolean;

  private constructor(found: boolean) {
    this.found = found;
  }

  /** Starts it, building its parts first where this machine has none. */
  static async up(): Promise<LabCluster> {
    const running = await shell('kill -0 "$(cat "$RUN/node.pid")"').then(
      () => true,
      () => false,
    );
    if (!running) {
      const up = spawn(join(SCRIPTS, 'cluster.sh'), ['up'], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [said, code] = await Promise.all([
        text(up.stdout),
        new Promise<number | null>(end => up.once('exit', end)),
      ]);
      if (code !== 0) throw new Error(`cluster.sh up: ${said}`);
    }
    return new LabCluster(running);
  }

  /** Ends it, unless it was found running. */
  async down(): Promise<void> {
    if (!this.found) await run(join(SCRIPTS, 'cluster.sh'), ['down']);
  }

  /** Has images of Istio's names in it: bookinfo's, each of which runs `program`, and sidecars'. */
  async serveBookinfo(program: string): Promise<void> {
    await run(join(SCRIPTS, 'bookinfo-images.sh'), [program]);
  }

  /**
   * Has sidecars that are injected from now on ask for less than a user's would, so that many fit on the node, and stay Ready where the machine is
   * busy.
   */
  async fitIn(): Promise<void> {
    const settings = ['configmap', 'istio-sidecar-injector', '-n', 'istio-system'] as const;
    const { data } = await this.get<{ data: Record<string, string> }>(...settings);
    const values = JSON.parse(data['values'] ?? '{}');
    values.global.proxy.resources = { requests: { cpu: '10m', memory: '40Mi' } };
    values.global.proxy.readinessFailureThreshold = 40;
    const patch = JSON.stringify({ data: { values: JSON.stringify(values) } });
    await this.kubectl('patch', ...settings, '--type', 'merge', '--patch', patch);
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return shell('kubectl "$@"', args);
  }

  /** `kubectl wait`, as long as it takes: a busy machine is slow, and only what hangs comes to the limit. */
  async wait(...args: readonly string[]): Promise<void> {
    await this.kubectl('wait', ...args, LIMIT);
  }

  /** Waits until a Deployment's pods are Ready, all as it says now. */
  async rolledOut(name: string, namespace = 'default'): Promise<void> {
    await this.kubectl('rollout', 'status', `deploy/${name}`, '-n', namespace, LIMIT);
  }

  /** Runs kubectl with a text as its input. */
  async pipe(input: string, ...args: readonly string[]): Promise<string> {
    const kubectl = spawn('bash', ['-euo', 'pipefail', '-c', `${ENV}; exec kubectl "$@"`, 'bash', ...args]);
    kubectl.stdin.end(input);
    const [said, errors, code] = await Promise.all([
      text(kubectl.stdout),
      text(kubectl.stderr),
      new Promise<number | null>(end => kubectl.once('close', end)),
    ]);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${errors}`);
    return said;
  }

  /** Applies an object, or the manifests in a file. */
  async apply(what: object | string): Promise<void> {
    if (typeof what === 'string') await this.kubectl('apply', '-f', what);
    else await this.pipe(JSON.stringify(what), 'apply', '-f', '-');
  }

  /** Runs a command in the node, as root. */
  inNode(...command: readonly string[]): Promise<string> {
    return shell('node "$@"', command);
  }

  /** Stops kube-proxy and takes its rules away; resolves to what puts both back. */
  async withoutKubeProxy(): Promise<() => Promise<void>> {
    // nsenter, whose process is known, stops and goes on with it.
    await shell('pkill -STOP -P "$(cat "$RUN/kube-proxy.pid")"');
    const rules = await this.inNode('iptables-save', '-t', 'nat');
    await this.inNode('iptables', '-t', 'nat', '-F');
    return async () => {
      await shell('node iptables-restore <<< "$1"; kill -CONT "$(cat "$RUN/kube-proxy.pid")"', [rules]);
    };
  }

  /** Runs a script in a container of a workload; resolves to what it printed. */
  exec(workload: string, container: string, ...command: readonly string[]): Promise<string> {
    return this.kubectl('exec', workload, '-c', container, '--', ...command);
  }

  /** Runs Istio's own istioctl; resolves to all that it printed, its errors too. */
  istioctl(...args: readonly string[]): Promise<string> {
    return shell('"$LAB_BIN/istioctl" "$@" 2>&1 || true', args);
  }

  /** Runs a line as it is typed in a folder, with kubectl and istioctl; resolves to what it printed. */
  type(line: string, folder: string): Promise<string> {
    return shell('PATH=$PATH:$LAB_BIN; cd "$1"; eval "$2"', [folder, line]);
  }

  /** Reads objects as JSON. */
  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', '-o', 'json', ...args)) as T;
  }

  /** Where a Service is in reach of this machine. */
  async clusterIp(name: string, namespace: string): Promise<string> {
    const { spec } = await this.get<{ spec: { clusterIP: string } }>('service', name, '-n', namespace);
    return spec.clusterIP;
  }

  async pods(selector: string, namespace: string): Promise<readonly Pod[]> {
    const { items } = await this.get<{ items: readonly Pod[] }>('pods', '-n', namespace, '-l', selector);
    return items;
  }

  /** The control plane's pods that are Ready and not about to end, of the default revision unless told. */
  async replicas(selector = 'app=istiod,istio.io/rev=default'): Promise<readonly Pod[]> {
    interface Listed extends Pod {
      readonly metadata: Pod['metadata'] & { readonly deletionTimestamp?: string };
      readonly status: Pod['status'] & { readonly conditions?: readonly { type: string; status: string }[] };
    }
    const { items } = await this.get<{ items: readonly Listed[] }>('pods', '-n', 'istio-system', '-l', selector);
    const ready = (pod: Listed) => pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True');
    return items.filter(pod => ready(pod) && !pod.metadata.deletionTimestamp);
  }
}

/** Runs a script with the names of test/lab/cluster/env.sh; rejects with what it wrote to standard error. */
async function shell(script: string, args: readonly string[] = []): Promise<string> {
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', `${ENV}; ${script}`, 'bash', ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}
