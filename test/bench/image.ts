import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('../..', import.meta.url).pathname;

/** A command line and what the environment has beside it. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The program as the Dockerfile starts it: compiled, with its flags and its environment. */
export function imageProgram(): Program {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root });
  const lines = readFileSync(`${root}/Dockerfile`, 'utf8').split('\n');
  const entry = lines.find(line => line.startsWith('ENTRYPOINT ')) ?? '';
  const [, ...args] = JSON.parse(entry.slice('ENTRYPOINT '.length)) as readonly string[];
  const settings = lines
    .filter(line => line.startsWith('ENV '))
    .flatMap(line => [...line.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)]);
  return {
    command: process.execPath,
    args: args.map(arg => (arg.startsWith('dist/') ? root + arg : arg)),
    env: Object.fromEntries(settings.map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain])),
  };
}
