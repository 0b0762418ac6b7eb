import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { until } from '../support/until.ts';
import { samples } from './bookinfo.ts';
import { request } from './traffic.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const CLUSTER = join(REPOSITORY, 'test/lab/cluster');

/** What README.md says below the line that begins like that: the commands of the indented block, and what to open when they were run. */
async function instructions(
  beginning: string,
): Promise<{ readonly commands: readonly string[]; readonly url: string }> {
  const lines = (await readFile(join(REPOSITORY, 'README.md'), 'utf8')).split('\n');
  const above = lines.findIndex(line => line.startsWith(beginning));
  const first = lines.findIndex((line, i) => i > above && line.startsWith('    '));
  assert.ok(above >= 0 && first > above, beginning);
  const after = lines.indexOf('', first);
  const commands = lines.slice(first, after).map(line => line.trim());
  // To zsh, which has them on a Mac, comments are arguments.
  for (const command of commands) assert.doesNotMatch(command, /#/);
  const [url = assert.fail('README.md says what to open')] =
    /http:\/\/localhost:\S+/.exec(lines.slice(after).join('\n')) ?? [];
  return { commands, url };
}

/** What a newcomer has seen. */
export interface Seen {
  /** What the commands printed. */
  readonly printed: string;
  /** The page in the browser. */
  readonly page: string;
}

/**
 * Does what README.md says below "From nothing to bookinfo in the browser", command by command, in the shell of somebody who has never talked to a
 * cluster. What this machine lacks is stood in for: docker and kind (test/lab/cluster/stand-ins), and the folder that BOOKINFO leads to, which is
 * that of Istio's source.
 */
export async function followReadme(): Promise<Seen> {
  const { commands, url } = await instructions('From nothing to bookinfo in the browser');
  const folder = await samples();
  const version = (await readFile(join(folder, '../../VERSION'), 'utf8')).trim();
  const published = `BOOKINFO=https://raw.githubusercontent.com/istio/istio/release-${version}/samples/bookinfo`;
  assert.ok(commands.includes(published), published);
  const script = commands.map(command => (command === published ? `BOOKINFO='${folder}'` : command));
  const last = script.pop() ?? '';
  assert.match(last, /port-forward/);

  const home = await mkdtemp(join(tmpdir(), 'newcomer-'));
  const stop = new AbortController();
  const { stdout: bin } = await promisify(execFile)(join(CLUSTER, 'cluster.sh'), ['env']);
  const programs = /PATH=([^:]+):/.exec(bin)?.[1] ?? assert.fail(bin);
  const options = {
    cwd: REPOSITORY,
    env: {
      ...process.env,
      KUBECONFIG: join(home, 'config'),
      PATH: `${join(CLUSTER, 'stand-ins')}:${programs}:${process.env['PATH']}`,
    },
  };
  try {
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script.join('\n')], options);
    const forward = spawn('bash', ['-c', `exec ${last}`], {
      ...options,
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: stop.signal,
    });
    forward.once('error', () => {}); // that it was stopped
    const [said] = (await once(createInterface({ input: forward.stdout }), 'line')) as [string];
    assert.match(said, /^Forwarding from 127\.0\.0\.1/);
    return { printed: stdout, page: await until(url, () => request(url)) };
  } finally {
    stop.abort();
    await rm(home, { recursive: true });
  }
}
