import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

/** A control plane that runs as a process of its own. */
export interface Serve {
  readonly process: ChildProcess;
  /** Where proxies connect, and where its pages are: `host:port`. */
  readonly xds: string;
  readonly http: string;
  /** Where they connect over TLS; empty where they cannot. */
  readonly tls: string;
  /** What it has logged so far. */
  log(): string;
  /** Resolves once it has ended by itself. */
  stop(): Promise<void>;
}

/** How a control plane is started. */
export interface ServeOptions {
  readonly host?: string;
  /** A command that is to run it. */
  readonly within?: readonly string[];
  /** The program and its environment; by default this checkout's source. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const checkout = [process.execPath, join(import.meta.dirname, '../../src/main.ts')];

/** Starts `pilotlight serve` on a folder, or with the arguments that name its source, on free ports of `host`. Resolves once it serves. */
export async function startServe(
  from: string | readonly string[],
  { host = '127.0.0.1', within = [], program = checkout, env = {} }: ServeOptions = {},
): Promise<Serve> {
  const source = typeof from === 'string' ? ['--config', from] : from;
  const own = [...program, 'serve', ...source, '--log-level', 'warn'];
  const addresses = ['--xds-address', `${host}:0`, '--http-address', `${host}:0`];
  const [command = process.execPath, ...args] = [...within, ...own, ...addresses];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-256 * 1024);
  });
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const [xds, http, tls] = await new Promise<readonly [string, string, string]>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [, ads, pages] = /proxies connect to +(\S+)[\s\S]*?pages +http:\/\/([^/\s]+)/.exec(said) ?? [];
      const [, secured = ''] = /proxies connect to +(\S+) +\(ADS and certificates over TLS\)/.exec(said) ?? [];
      if (ads && pages) resolve([ads, pages, secured]);
    });
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`serve ended with ${code}: ${log}${said}`)));
  });
  return {
    process: child,
    xds,
    http,
    tls,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
