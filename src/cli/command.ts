import type { ParseArgsOptionsConfig } from 'node:util';
import { parseArgs } from 'node:util';

/** One option of a command, as `--help` shows it. Every option takes a value unless `flag` says otherwise. */
export interface Option {
  readonly value?: string;
  readonly help: string;
  readonly default?: string;
  readonly flag?: boolean;
}

/** What the user typed: option values by name, and what is left. */
export interface Arguments {
  readonly options: Readonly<Record<string, string>>;
  readonly flags: ReadonlySet<string>;
  readonly positionals: readonly string[];
}

/** Where a command writes, and when it is to stop. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** A command of the command line. `run` resolves to the exit code: 0 done, 1 failed, 2 the input or the arguments are unusable. */
export interface Command {
  readonly summary: string;
  readonly usage: string;
  readonly description: string;
  readonly options: Readonly<Record<string, Option>>;
  /** What `--help` says after the options. */
  readonly notes?: string;
  run(args: Arguments, io: Io): Promise<number>;
}

/** The user's words do not fit; `message` says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads `argv` by the command's options. Throws a UsageError. */
export function readArguments(command: Command, argv: readonly string[]): Arguments {
  const config: ParseArgsOptionsConfig = {};
  for (const [name, option] of Object.entries(command.options))
    config[name] = { type: option.flag ? 'boolean' : 'string' };
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: config, allowPositionals: true });
    const options: Record<string, string> = {};
    const flags = new Set<string>();
    for (const [name, option] of Object.entries(command.options)) {
      const value = values[name];
      if (value === true) flags.add(name);
      else if (typeof value === 'string') options[name] = value;
      else if (option.default !== undefined) options[name] = option.default;
    }
    return { options, flags, positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n');
};

/** The page that `pilotlight COMMAND --help` prints. */
export function helpOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, o]): [string, string] => [
    `--${name}${o.flag ? '' : ` ${o.value ?? 'VALUE'}`}`,
    o.help + (o.default ? ` (default ${o.default})` : ''),
  ]);
  return `${command.summary}\n\nUsage:\n  pilotlight ${command.usage}\n\n${command.description}\n${
    options.length ? `\nOptions:\n${columns(options)}\n` : ''
  }${command.notes === undefined ? '' : `\n${command.notes}`}`;
}

/** The page that `pilotlight --help` prints. */
export function overview(commands: Readonly<Record<string, Command>>): string {
  const rows = Object.entries(commands).map(([name, c]): [string, string] => [name, c.summary]);
  return `Pilotlight: a minimal xDS control plane. Kubernetes Services and Istio's CRDs in, Envoy configuration out.

Usage:
  pilotlight COMMAND [OPTIONS]

Commands:
${columns(rows)}

'pilotlight COMMAND --help' explains one. From a checkout: npm run --silent pilotlight -- COMMAND [OPTIONS]
`;
}
