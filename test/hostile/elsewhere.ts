import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Network, NODE_ADDRESS } from '../support/netns.ts';

const variable = 'HOSTILE_FROM';

/** The address that is attacked. */
export const host = process.env[variable] ? NODE_ADDRESS : '127.0.0.1';

/** The command that runs an attacker: at an address of its own, where this process was started by `elsewhere`. */
export const from: readonly string[] = JSON.parse(process.env[variable] ?? '[]');

/**
 * Runs a program again, on the node of a network of its own: what it attacks is attacked from the address of a pod, while its canary is on the
 * node. Its exit code. Needs root.
 */
export async function elsewhere(program: string, args: readonly string[]): Promise<number> {
  const network = await Network.create();
  try {
    const pod = await network.pod('attacker', '10.244.0.66');
    const [command = '', ...more] = [...network.within, process.execPath, program, ...args];
    const child = spawn(
      command,
      more.filter(arg => arg !== '--elsewhere'),
      { stdio: 'inherit', env: { ...process.env, [variable]: JSON.stringify(pod.within) } },
    );
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    await network.stop();
  }
}
