import { before, describe, test } from 'node:test';
import type { LabCluster } from '../lab-cluster.ts';
import { billService } from './bill-service.ts';
import { faults, headerRoute, patience, shadow } from './canary.ts';
import { redirected, transparent } from './capture.ts';
import { memory, readiness } from './footprint.ts';
import { https, ingress } from './ingress.ts';
import { withoutNode } from './kube-proxy.ts';
import { registryOnly } from './outbound.ts';
import { circuitBreaker, outlier } from './overload.ts';
import { Stage, type Story } from './story.ts';
import { deployment, surroundings, workloads } from './workloads.ts';

/** By what they share: chapters run beside each other, the stories of one in turn. */
const chapters: Readonly<Record<string, readonly Story[]>> = {
  'istio-demo': [redirected, billService],
  canary: [headerRoute, faults, patience, shadow],
  'limits and borders': [transparent, circuitBreaker, outlier, registryOnly],
  ingress: [ingress, https],
};

/** Tells what Istio's users try, on real pods with sidecars of both kinds. */
export function tellStories(cluster: () => LabCluster): void {
  const tell = (story: Story) => test(story.title, t => story.tell(new Stage(cluster(), t)));
  describe("what Istio's users try", () => {
    before(async () => {
      const list = (items: readonly object[]) => cluster().apply({ apiVersion: 'v1', kind: 'List', items });
      await list(surroundings);
      await list(workloads.map(deployment));
      await cluster().wait('--for=condition=Available', 'deployments', '--all', '-A');
    });
    describe('beside each other', { concurrency: 4 }, () => {
      for (const [chapter, stories] of Object.entries(chapters))
        describe(chapter, { concurrency: 1 }, () => stories.forEach(tell));
    });
    tell(memory);
    tell(readiness);
    tell(withoutNode);
  });
}
