import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A connection or a datagram to be made. */
export interface EchoCall {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

/** A process in a pod's network that answers with its name and the port that it was asked on, and asks others. */
export class Echo {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** `ports`: `tcp:80`, `udp:53@127.0.0.1`. */
  static async start(name: string, within: readonly string[], ports: readonly string[] = []): Promise<Echo> {
    const program = join(import.meta.dirname, 'pod-echo.ts');
    const [command = '', ...args] = [...within, process.execPath, program, name, ...ports];
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    if (value !== 'ready') throw new Error(`${name} did not begin`);
    return new Echo(child, lines);
  }

  /** Whom a connection reaches: `peer 80`, or why none. */
  async ask(protocol: EchoCall['protocol'], address: string, port: number): Promise<string> {
    const call: EchoCall = { protocol, address, port };
    this.#child.stdin?.write(`${JSON.stringify(call)}\n`);
    const { value } = await this.#lines.next();
    return value ?? 'it ended';
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
