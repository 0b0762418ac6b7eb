import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

const script = join(import.meta.dirname, '../../deploy/kind/kind.sh');

/** What there is when the script begins. */
interface Machine {
  readonly programs?: readonly string[];
  readonly clusters?: readonly string[];
  /** The image of the Deployment istiod. */
  readonly istiod?: string;
}

describe('deploy/kind/kind.sh', () => {
  const folders: string[] = [];
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  /** Runs it where each program writes down how it was called, and does nothing. */
  function run({ programs = ['docker', 'kind', 'kubectl'], clusters = [], istiod = '' }: Machine, ...args: string[]) {
    const bin = mkdtempSync(join(tmpdir(), 'kind-'));
    folders.push(bin);
    const calls = join(bin, 'calls');
    const answers = `case "$*" in "get clusters") printf '%s\n' ${clusters.join(' ')} ;; *"get deployment istiod"*) printf %s '${istiod}' ;; esac`;
    for (const program of programs) {
      writeFileSync(join(bin, program), `#!/bin/bash\necho "${program} $*" >> ${calls}\n${answers}\n`);
      chmodSync(join(bin, program), 0o755);
    }
    for (const program of ['dirname', 'grep'])
      writeFileSync(join(bin, program), `#!/bin/bash\nexec /usr/bin/${program} "$@"\n`, { mode: 0o755 });
    writeFileSync(calls, '');
    const { status, stdout, stderr } = spawnSync('/bin/bash', [script, ...args], {
      env: { PATH: bin },
      encoding: 'utf8',
    });
    return { code: status, out: stdout, err: stderr, calls: readFileSync(calls, 'utf8').split('\n').filter(Boolean) };
  }

  const looks = /get clusters|get deployment/;
  const kubectl = (cluster: string, ...commands: readonly string[]) =>
    commands.map(command => `kubectl --context kind-${cluster} ${command}`);

  test('makes the cluster where there is none, and deploys into it', () => {
    const { code, out, err, calls } = run({ clusters: ['other'] });
    assert.deepEqual([code, err], [0, '']);
    assert.deepEqual(
      calls.filter(call => !looks.test(call)),
      [
        'docker build --tag pilotlight:0.1.0 .',
        'kind create cluster --name pilotlight',
        'kind load docker-image pilotlight:0.1.0 --name pilotlight',
        ...kubectl('pilotlight', 'apply -k deploy', '-n istio-system rollout status deployment/istiod --timeout=5m'),
      ],
    );
    assert.equal(out, 'kubectl talks to kind-pilotlight\n');
  });

  test('in a cluster that it deployed into before, has kubectl talk to it again and the replicas replaced', () => {
    const { code, calls } = run({ clusters: ['shop'], istiod: 'pilotlight:0.1.0' }, 'shop');
    assert.equal(code, 0);
    assert.deepEqual(
      calls.filter(call => !looks.test(call)),
      [
        'docker build --tag pilotlight:0.1.0 .',
        'kind export kubeconfig --name shop',
        'kind load docker-image pilotlight:0.1.0 --name shop',
        ...kubectl(
          'shop',
          'apply -k deploy',
          '-n istio-system rollout restart deployment/istiod',
          '-n istio-system rollout status deployment/istiod --timeout=5m',
        ),
      ],
    );
  });

  test('what cannot end well is one sentence, and nothing is applied', () => {
    const istiod = 'docker.io/istio/pilot:1.31.0';
    const table: readonly (readonly [Machine, readonly string[], number, RegExp])[] = [
      [
        { programs: ['docker', 'kubectl'] },
        [],
        1,
        /^kind\.sh: there is no kind here; docker, kind and kubectl are needed\n$/,
      ],
      [{ programs: [] }, [], 1, /there is no docker here/],
      [{}, ['#', 'image'], 2, /^usage: kind\.sh \[CLUSTER\].* got '# image'\n$/],
      [{}, ['--help'], 2, /^usage: kind\.sh \[CLUSTER\]/],
      [
        { clusters: ['pilotlight'], istiod },
        [],
        1,
        /has an istiod, docker\.io\/istio\/pilot:1\.31\.0; README\.md, "To take over from istiod",/,
      ],
    ];
    for (const [machine, args, expected, said] of table) {
      const { code, err, calls } = run(machine, ...args);
      assert.equal(code, expected, err);
      assert.match(err, said);
      assert.equal(err.trimEnd().split('\n').length, 1, err);
      assert.deepEqual(
        calls.filter(call => call.includes('apply')),
        [],
      );
    }
  });
});
