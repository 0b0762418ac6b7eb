import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freePorts } from '../support/free-ports.ts';
import type { Lab } from '../system/lab.ts';
import { imageProgram } from './image.ts';
import { residentOf } from './process.ts';

const run = promisify(execFile);

/** A server under load: where its streams go, and the process whose CPU and memory count. */
export interface Server {
  readonly address: string;
  readonly pid: number;
  /** Milliseconds from its start until it served, and its memory in megabytes at that moment, before any stream. */
  readonly ready: { readonly ms: number; readonly mb: number };
  stop(): Promise<void>;
}

/** The real istiod. */
export async function istiod(lab: Lab): Promise<Server> {
  const base = await freePorts(15);
  const began = performance.now();
  const script = join(import.meta.dirname, '../lab/istiod.sh');
  await run(script, [lab.folder], { env: { ...process.env, PORT_BASE: String(base) } });
  const ms = performance.now() - began;
  const pid = Number(readFileSync(join(lab.folder, 'istiod.pid'), 'utf8'));
  return {
    address: `127.0.0.1:${base + 10}`,
    pid,
    ready: { ms, mb: residentOf(pid) },
    async stop() {
      process.kill(pid);
      await run('tail', ['--pid', String(pid), '-f', '/dev/null']);
      await run('rm', ['-f', join(lab.folder, 'istiod.pid')]);
    },
  };
}

/** A child process whose standard output says when it serves. */
async function serving(child: ChildProcess, address: string, word: string): Promise<Server> {
  const began = performance.now();
  if (!child.stdout || child.pid === undefined) throw new Error('the server did not start');
  const { pid, stdout } = child;
  let ready = false;
  for await (const line of createInterface(stdout)) {
    ready = line.includes(word);
    if (ready) break;
  }
  if (!ready) throw new Error(`the server ended before it said '${word}'`);
  stdout.resume();
  return {
    address,
    pid,
    ready: { ms: performance.now() - began, mb: residentOf(pid) },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** This control plane as its image starts it, watching the lab's API server. */
export async function pilotlight(lab: Lab): Promise<Server> {
  const { command, args, env } = imageProgram();
  const xds = `127.0.0.1:${await freePorts()}`;
  const flags = [
    '--kubeconfig',
    lab.kubeconfig,
    '--xds-address',
    xds,
    '--tls-address',
    '',
    '--http-address',
    '127.0.0.1:0',
  ];
  const child = spawn(command, [...args, 'serve', ...flags, '--log-level', 'warn'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return serving(child, xds, 'proxies connect to');
}

/** The floor beneath this control plane: `floor.ts` sends what this one does and computes nothing. */
export async function floor(lab: Lab): Promise<Server> {
  const model = await pilotlight(lab);
  try {
    const port = await freePorts();
    const script = join(import.meta.dirname, 'floor.ts');
    const child = spawn(process.execPath, [script, model.address, lab.kubeconfig, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return await serving(child, `127.0.0.1:${port}`, 'ready');
  } finally {
    await model.stop();
  }
}
