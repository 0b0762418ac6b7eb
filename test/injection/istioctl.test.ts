import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { podIn } from '../../src/injection/pod-in-object.ts';
import { cases, injectIn, nameIn, objectsIn, settingsOf } from './case.ts';
import { normal } from './normal.ts';
import { type Answer, answersOf, haveIstioctl } from './oracle.ts';

// What `istioctl kube-inject` makes of each pod of the cases is kept beside them; test/system/injection.test.ts asks it again. To write the answers
// anew: UPDATE_GOLDEN=1, where test/lab/build.sh has built istioctl.

const update = process.env['UPDATE_GOLDEN'] === '1' && haveIstioctl;

/** Differences that are meant, by case and object, with the reason. */
const different: { readonly [pod: string]: string } = {
  // istioctl writes labels and annotations to the Job's template, where no pod has them.
  'workloads: CronJob nightly': 'labels and annotations are those of the pod',
  'native-workloads: CronJob nightly': 'labels and annotations are those of the pod',
  'native-user-containers: Pod proxy-alone': 'a pod has at least one container that is none of initContainers',
  'user-containers: Pod init': "istio-init requests no more than the user's limit, which the API server refuses",
  'native-user-containers: Pod init': "istio-init requests no more than the user's limit, which the API server refuses",
};

let compared = 0;

for (const of of cases)
  test(of.name, () => {
    const file = join(of.folder, 'istioctl.jsonl');
    if (update)
      writeFileSync(
        file,
        answersOf(of)
          .map(line => `${JSON.stringify(line)}\n`)
          .join(''),
      );
    const [texts, ...answers] = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    const settings = settingsOf({ ...texts, sidecar: 'istio-proxy' }, of.revision || 'default');
    const objects = objectsIn(readFileSync(of.input, 'utf8')).filter(object => podIn(object));
    assert.deepEqual(
      objects.map(nameIn),
      (answers as Answer[]).map(({ object }) => object),
    );
    for (const [i, object] of objects.entries()) {
      const { metadata, spec } = podOf(injectIn(object, settings, of.native), object);
      const ours = normal(JSON.parse(JSON.stringify({ metadata, spec })));
      const theirs = answers[i].pod;
      const name = `${of.name}: ${nameIn(object)}`;
      if (Object.hasOwn(different, name)) assert.notDeepEqual(ours, theirs, `${name} no longer differs`);
      else assert.deepEqual(ours, theirs, name);
      compared++;
    }
  });

/** The pod as it is after injection; one that is skipped stays. */
function podOf(injection: ReturnType<typeof injectIn>, object: Parameters<typeof injectIn>[0]) {
  assert.ok(injection && injection.kind !== 'refuse', JSON.stringify(injection));
  const pod = injection.kind === 'inject' ? injection.pod : podIn(object)?.pod;
  return pod ?? assert.fail();
}

after(() => {
  assert.ok(compared > 140, `${compared} pods were compared`);
  for (const name of Object.keys(different))
    assert.ok(
      cases.some(of => name.startsWith(`${of.name}: `)),
      name,
    );
});
