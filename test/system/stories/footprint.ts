import assert from 'node:assert/strict';
import type { LabCluster } from '../lab-cluster.ts';
import { PodOnNode } from './pod-on-node.ts';
import type { Story } from './story.ts';
import { containerOf, deployment, type Sidecar } from './workloads.ts';

/** What a container of a pod takes, in MB. */
interface Memory {
  /** Of all its processes. */
  readonly resident: number;
  /** By which the kubelet decides whom to evict: without the file cache that can be had back at once. */
  readonly workingSet: number;
}

async function memoryOf(cluster: LabCluster, namespace: string, workload: string): Promise<Memory> {
  const { id } = await (await PodOnNode.of(cluster, namespace, workload)).processOf('istio-proxy');
  const script = `group=$(find /sys/fs/cgroup/memory/meshlab -type d -name '${id}')
    cat "$group/memory.usage_in_bytes"
    sed -n 's/^total_inactive_file //p' "$group/memory.stat"
    for pid in $(cat "$group/cgroup.procs"); do sed -n 's/^VmRSS:[[:space:]]*\\([0-9]*\\) kB/\\1/p' "/proc/$pid/status"; done`;
  const said = await cluster.inNode('bash', '-c', script);
  const [used = 0, inactive = 0, ...resident] = said.trim().split('\n').map(Number);
  assert.ok(resident.length > 0, said);
  return { resident: resident.reduce((a, b) => a + b) / 1024, workingSet: (used - inactive) / 2 ** 20 };
}

export const memory: Story = {
  title: "the memory of a sidecar: stock Envoy takes less than Istio's proxy with its agent, after the same traffic",
  async tell(stage) {
    const of = async (workload: string) => {
      const { resident, workingSet } = await memoryOf(stage.cluster, 'istio-demo', workload);
      stage.note(`${workload}: ${resident.toFixed(1)} MB resident, working set ${workingSet.toFixed(1)} MB`);
      return { resident, workingSet };
    };
    const [envoy, agent] = [await of('front-tomcat-v1'), await of('front-tomcat-v2')];
    assert.ok(envoy.resident < agent.resident && envoy.workingSet < agent.workingSet);
  },
};

/** How a pod came up: when its sidecar and its app started, and when it was Ready; in ms. */
interface Start {
  readonly sidecar: number;
  readonly app: number;
  readonly ready: number;
}

/** Makes a pod, and waits until it is Ready. */
async function startOf(cluster: LabCluster, name: string, sidecar: Sidecar, native: boolean): Promise<Start> {
  const annotations = { 'sidecar.istio.io/nativeSidecar': String(native) };
  await cluster.apply(deployment({ namespace: 'canary', name, labels: { app: name }, sidecar, annotations }));
  await cluster.kubectl('wait', '-n', 'canary', '--for=condition=Available', `deploy/${name}`, '--timeout=60s');
  const ready = Date.now();
  const pod = await PodOnNode.of(cluster, 'canary', name);
  const startOf = async (container: string): Promise<number> => {
    const { pid } = await pod.processOf(container);
    const now = Date.now();
    const uptime = Number((await cluster.inNode('cat', '/proc/uptime')).split(' ')[0]);
    const [, fields = ''] = /^.*\) (.*)/.exec(await cluster.inNode('cat', `/proc/${pid}/stat`)) ?? [];
    return now - (uptime - Number(fields.split(' ')[19]) / 100) * 1000;
  };
  const start = { sidecar: await startOf('istio-proxy'), app: await startOf(containerOf(name)), ready };
  await cluster.kubectl('delete', 'deployment', '-n', 'canary', name, '--wait=false');
  return start;
}

export const readiness: Story = {
  title: 'a pod is Ready within 2 s of the start of its last container, also where that waits for the sidecar',
  async tell(stage) {
    let count = 0;
    /** The first of a few pods that is Ready so soon; others may take the processor from one. */
    const soon = async (sidecar: Sidecar, native: boolean): Promise<void> => {
      const times: number[] = [];
      while (times.length < 4) {
        const name = `sleep${++count}-${sidecar}`;
        const start = await startOf(stage.cluster, name, sidecar, native);
        const [first, last] = [Math.min(start.sidecar, start.app), Math.max(start.sidecar, start.app)];
        const since = (began: number) => Math.round(start.ready - began);
        const kind = `${sidecar}${native ? ', native' : ''}`;
        stage.note(
          `${kind}: Ready ${since(first)} ms after its first container started, ${since(last)} ms after its last`,
        );
        times.push(since(last));
        if (since(last) < 2_000) break;
      }
      assert.ok(Math.min(...times) < 2_000, `${times.join(', ')} ms`);
    };
    // A native sidecar: the kubelet, which looks at containers each second, starts the app when it has seen that the sidecar is ready.
    await soon('envoy', true);
    await soon('istio-proxy', true);
    await soon('envoy', false);
  },
};
