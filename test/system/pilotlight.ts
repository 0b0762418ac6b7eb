import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** The control plane as a process of its own, as users start it. */
export class Pilotlight {
  readonly xds: string;
  readonly http: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<number | null>;
  #log = '';

  private constructor(xds: string, http: string, process: ChildProcess) {
    this.xds = xds;
    this.http = http;
    this.#process = process;
    this.#exited = new Promise(resolve => process.once('exit', resolve));
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
  }

  /** `pilotlight serve` with further arguments; resolves when its pages answer. */
  static async serve(...args: readonly string[]): Promise<Pilotlight> {
    const [xds, http] = [`127.0.0.1:${await freePorts()}`, `127.0.0.1:${await freePorts()}`];
    // Nothing but what a test asks for is on a port that another one may have.
    const own = ['--xds-address', xds, '--http-address', http, '--tls-address', '', '--webhook-address', ''];
    const child = spawn(process.execPath, [MAIN, 'serve', ...own, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const pilotlight = new Pilotlight(xds, http, child);
    await until('the pages to answer', async () => {
      if (child.exitCode !== null) throw new Error(pilotlight.#log);
      return (await pilotlight.page('/ready')).status > 0;
    }).catch(async (error: Error) => {
      child.kill('SIGKILL');
      throw new Error(`${error.message}\n${pilotlight.#log.slice(-2_000)}`);
    });
    return pilotlight;
  }

  /** The process, for its CPU time and memory. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async page(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`http://${this.http}${path}`);
    return { status: response.status, body: await response.text() };
  }

  /** How the watch of a kind is doing, as `/ready?verbose` says it. */
  async watch(kind: string): Promise<string> {
    const { body } = await this.page('/ready?verbose');
    return body.split('\n').find(line => line.startsWith(`[`) && line.includes(` ${kind}: `)) ?? `no watch of ${kind}`;
  }

  /** Whether every watch is up to date. */
  async watching(): Promise<boolean> {
    const { body } = await this.page('/ready?verbose');
    return /^\[\+\]/m.test(body) && !/^\[-\]/m.test(body) && !/: listing/.test(body);
  }

  /** The lines of the log that say `words`. */
  said(words: RegExp): readonly string[] {
    return this.#log.split('\n').filter(line => words.test(line));
  }

  /** Asks it to end, as Kubernetes does; resolves to its exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM');
    return this.#exited;
  }
}
