import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Answer, Call } from './http.ts';

/** Calls that an application is to make, one after the other or some at a time; answers come in the order in which they arrived. */
export interface AppRequest extends Omit<Call, 'agent'> {
  readonly count?: number;
  readonly concurrency?: number;
  /** A connection for each call. */
  readonly fresh?: boolean;
}

/** What a call gave; status 0: no answer, and `body` says why. */
export type AppAnswer = Answer;

/** What an application reads. */
export interface Orders {
  readonly id: number;
  readonly request?: AppRequest;
  readonly answer: { readonly status: number; readonly delayMs: number };
}

/** What the application of a pod says of a request that reached it: the body of its answers. */
export interface Seen {
  readonly pod: string;
  readonly port: number;
  readonly path: string;
  /** The address that it came from. */
  readonly from: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly attempt: number;
}

/** A running application. */
export interface PodApp {
  calls(request: AppRequest): Promise<readonly AppAnswer[]>;
  /** From now on it answers so. */
  answerWith(answer: Partial<Orders['answer']>): Promise<void>;
  /** How many requests have reached it. */
  received(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts the application of a pod; `within` runs it in the pod's network, as whom it says. */
export async function startApp(name: string, ports: readonly number[], within: readonly string[]): Promise<PodApp> {
  const program = join(import.meta.dirname, 'pod-app.ts');
  const [command = process.execPath, ...args] = [...within, process.execPath, program, name, ...ports.map(String)];
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const waiting = new Map<number, (answer: unknown) => void>();
  let last = 0;
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`the application of ${name} ended with ${code}`)));
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', line => {
      const said = JSON.parse(line) as { ready?: boolean; id?: number };
      if (said.ready) resolve();
      else if (said.id !== undefined) waiting.get(said.id)?.(said);
    });
  });
  const order = <T>(orders: Partial<Orders>): Promise<T> =>
    new Promise(resolve => {
      const id = ++last;
      waiting.set(id, answer => {
        waiting.delete(id);
        resolve(answer as T);
      });
      child.stdin?.write(`${JSON.stringify({ id, ...orders })}\n`);
    });
  return {
    calls: async request => (await order<{ readonly answers: readonly AppAnswer[] }>({ request })).answers,
    answerWith: async ({ status = 200, delayMs = 0 }) => void (await order({ answer: { status, delayMs } })),
    received: async () => (await order<{ readonly received: number }>({})).received,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
