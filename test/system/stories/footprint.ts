import assert from 'node:assert/strict';
import type { LabCluster } from '../lab-cluster.ts';
import { PodOnNode } from './pod-on-node.ts';
import type { Story } from './story.ts';

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
