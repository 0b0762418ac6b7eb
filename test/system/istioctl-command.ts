import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HANGING_MS } from '../support/until.ts';

const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

/** What a command said. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the lab's istioctl. */
export async function runIstioctl(kubeconfig: string, args: readonly string[]): Promise<Said> {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  try {
    const istioctl = join(CACHE, 'bin/istioctl');
    const { stdout: out, stderr: err } = await promisify(execFile)(istioctl, args, { env, timeout: HANGING_MS });
    return { code: 0, out, err };
  } catch (error) {
    const { code = 1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, out: stdout, err: stderr };
  }
}
