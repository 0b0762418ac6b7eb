// What an AdmissionReview costs, in CPU of this process: `node test/bench/injection.ts`, and rows of npm run bench.

import { readFileSync } from 'node:fs';
import { podIn } from '../../src/injection/pod-in-object.ts';
import { review } from '../../src/injection/review.ts';
import { cases, objectsIn, settingsOf } from '../injection/case.ts';
import { median, ownCpu, table } from './process.ts';

const rounds = 30;

/** Every pod of the golden cases as the API server asks about it, managed fields of 4 kB included. */
function bodies(): readonly Buffer[] {
  const managedFields = [{ manager: 'kubectl', operation: 'Update', fieldsV1: { 'f:spec': 'x'.repeat(4_000) } }];
  return cases
    .flatMap(({ input }) => objectsIn(readFileSync(input, 'utf8')))
    .flatMap(object => podIn(object) ?? [])
    .map(({ pod }) => {
      const object = { ...pod, metadata: { ...pod.metadata, managedFields } };
      const request = { uid: 'u', kind: { kind: 'Pod' }, operation: 'CREATE', namespace: 'default', object };
      return Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
    });
}

/** By sidecar: the median over pods, and the most that one takes; of each pod the median of several rounds. In milliseconds of CPU. */
export function reviewCosts(): readonly (readonly [what: string, median: number, most: number])[] {
  const asked = bodies();
  return (['envoy', 'istio-proxy'] as const).map(sidecar => {
    const settings = settingsOf({ values: '{}', mesh: '', sidecar });
    const injector = { settings, native: () => true };
    const ask = (body: Buffer): void =>
      void review({ path: '/inject', contentType: 'application/json', body }, injector);
    const costs = asked.map(body => {
      ask(body);
      return median(
        Array.from({ length: rounds }, () => {
          const began = ownCpu();
          ask(body);
          return ownCpu() - began;
        }),
      );
    });
    return [`AdmissionReview, ${sidecar}`, median(costs), Math.max(...costs)] as const;
  });
}

if (import.meta.main)
  process.stdout.write(
    `${table([['what', 'median', 'most'], ...reviewCosts().map(([what, ...costs]) => [what, ...costs.map(cost => `${cost.toFixed(2)} ms`)])])}\n`,
  );
