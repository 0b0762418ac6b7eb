import assert from 'node:assert/strict';
import type { LabCluster } from '../lab-cluster.ts';

/** A rule as iptables-save prints it, and how many packets have met it; in the nat table those are connections. */
export interface Rule {
  readonly rule: string;
  readonly met: number;
}

interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
}

/** What is read of a pod. */
export interface RunningPod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly podIP: string;
    readonly containerStatuses: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/** The one pod of a workload, and its containers' processes and network, seen from the node. */
export class PodOnNode {
  readonly pod: RunningPod;
  readonly #cluster: LabCluster;

  private constructor(cluster: LabCluster, pod: RunningPod) {
    this.#cluster = cluster;
    this.pod = pod;
  }

  static async of(cluster: LabCluster, namespace: string, workload: string): Promise<PodOnNode> {
    interface Deployment {
      readonly spec: { readonly selector: { readonly matchLabels: Readonly<Record<string, string>> } };
    }
    const { spec } = await cluster.get<Deployment>('deployment', workload, '-n', namespace);
    const selector = Object.entries(spec.selector.matchLabels).map(label => label.join('='));
    const list = await cluster.get<{ items: readonly RunningPod[] }>('pods', '-n', namespace, '-l', selector.join(','));
    assert.equal(list.items.length, 1, workload);
    return new PodOnNode(cluster, list.items[0] ?? assert.fail());
  }

  get address(): string {
    return this.pod.status.podIP;
  }

  /** A container's id, and its first process in the node: `docker ps`, `docker inspect`. */
  async processOf(container: string): Promise<{ readonly id: string; readonly pid: string }> {
    const { containerStatuses, initContainerStatuses = [] } = this.pod.status;
    const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
    const id = status?.containerID?.replace('containerd://', '') ?? assert.fail(`${container} does not run`);
    const tasks = await this.#cluster.inNode('ctr', '-n', 'k8s.io', 'tasks', 'ls');
    const [, pid = assert.fail(tasks)] = new RegExp(`^${id} +(\\d+) `, 'm').exec(tasks) ?? [];
    return { id, pid };
  }

  /** The rules of a table, chain by chain: `nsenter -n --target PID iptables-save -c -t TABLE`. */
  async rules(table: 'nat' | 'mangle'): Promise<readonly Rule[]> {
    const { pid } = await this.processOf('istio-proxy');
    const enter = ['nsenter', '--net', '--target', pid, 'iptables-save', '-c', '-t', table];
    const saved = await this.#cluster.inNode(...enter);
    return saved.split('\n').flatMap(line => {
      const [, met, rule = ''] = /^\[(\d+):\d+\] (-A .*)$/.exec(line.trimEnd()) ?? [];
      return met === undefined ? [] : [{ rule, met: Number(met) }];
    });
  }

  /** How often each rule was met while something was done; rules that were not met are left out. */
  async metBy(table: 'nat' | 'mangle', action: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
    const before = await this.rules(table);
    await action();
    const after = await this.rules(table);
    return Object.fromEntries(
      after.flatMap(({ rule, met }, i) => {
        const more = met - (before[i]?.met ?? 0);
        return more ? [[rule, more]] : [];
      }),
    );
  }
}
