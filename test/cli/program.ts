import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { program } from '../../src/cli/program.ts';
import type { Io } from '../../src/command.ts';
import { HANGING_MS } from '../support/until.ts';

export const repository = join(import.meta.dirname, '../..');
export const main = join(repository, 'src/main.ts');

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program to its end. `said` is told what it has written so far, and may end it. */
export function pilotlight(
  args: readonly string[],
  {
    env = {},
    stdout = 'pipe',
    said,
  }: { env?: object; stdout?: 'pipe' | number; said?: (out: string, stop: () => void) => void } = {},
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const child = spawn(process.execPath, [main, ...args], {
    cwd: repository,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', stdout, 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    said?.(out, () => child.kill('SIGTERM'));
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  child.once('error', reject);
  child.once('close', code => resolve({ code, out, err }));
  return promise;
}

/** The same without a process of its own, which costs half a second. */
export async function inThisProcess(args: readonly string[]): Promise<Ended> {
  let [out, err] = ['', ''];
  const io: Io = {
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
    signal: AbortSignal.timeout(HANGING_MS),
  };
  return { code: await program(args, io), out, err };
}
