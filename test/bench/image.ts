import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('../..', import.meta.url).pathname;

/** A command line and what the environment has beside it. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const dockerfile = (): readonly string[] => readFileSync(`${root}/Dockerfile`, 'utf8').split('\n');

/** The environment that the Dockerfile gives to the program. */
export function imageEnvironment(): Readonly<Record<string, string>> {
  const settings = dockerfile()
    .filter(line => line.startsWith('ENV '))
    .flatMap(line => [...line.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)]);
  return Object.fromEntries(settings.map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]));
}

/** The program as the Dockerfile starts it: compiled, with its flags and its environment. */
export function imageProgram(): Program {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root });
  const lines = dockerfile();
  const entry = lines.find(line => line.startsWith('ENTRYPOINT ')) ?? '';
  const [, ...args] = JSON.parse(entry.slice('ENTRYPOINT '.length)) as readonly string[];
  return {
    command: process.execPath,
    args: args.map(arg => (arg.startsWith('dist/') ? root + arg : arg)),
    env: imageEnvironment(),
  };
}
