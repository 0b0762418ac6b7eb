import type { TestContext } from 'node:test';
import type { LabCluster } from '../lab-cluster.ts';
import { Shell } from './shell.ts';

/** The cluster on which a story is told, and what its teller types. */
export class Stage {
  readonly cluster: LabCluster;
  readonly #test: TestContext;

  constructor(cluster: LabCluster, test: TestContext) {
    this.cluster = cluster;
    this.#test = test;
  }

  /** The shell of a workload's app. */
  shell(namespace: string, workload: string): Shell {
    return new Shell(this.cluster, namespace, workload);
  }

  async apply(...items: readonly object[]): Promise<void> {
    await this.cluster.apply({ apiVersion: 'v1', kind: 'List', items });
  }

  /** `kubectl delete KIND NAME`. */
  async remove(namespace: string, ...objects: readonly string[]): Promise<void> {
    await this.cluster.kubectl('delete', '-n', namespace, ...objects);
  }

  /** A figure for whoever reads the run. */
  note(text: string): void {
    this.#test.diagnostic(text);
  }

  /** Runs when the story is over, also when it ended badly. */
  after(undo: () => Promise<unknown>): void {
    this.#test.after(() => undo());
  }
}

/** Something that users of Istio do, and what they see. */
export interface Story {
  readonly title: string;
  tell(stage: Stage): Promise<void>;
}
