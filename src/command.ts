import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** One option of a command, as `--help` shows it. Every option takes a value unless `flag` says otherwise. */
export interface Option {
  readonly value?: string;
  readonly help: string;
  readonly default?: string;
  readonly flag?: boolean;
  /** An empty value means something: that there is to be none. */
  readonly mayBeEmpty?: boolean;
  /** Its letter: `-p`. */
  readonly short?: string;
  /** It may be there several times; its values are then one, with commas between them. */
  readonly many?: boolean;
  /** Environment variables that say the same where the command line does not; the last one that is set counts. */
  readonly env?: readonly string[];
}

/** What the user typed: option values by name, and what is left. */
export interface Arguments {
  readonly options: Readonly<Record<string, string>>;
  readonly flags: ReadonlySet<string>;
  /** What the user wrote to set an option, by its name: `--envoy-port`, `-p` or a variable. */
  readonly spelled: Readonly<Record<string, string>>;
  /** What the command is about, where it takes that. */
  readonly operand: string | undefined;
}

/** Where a command writes, and when it is to stop. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly signal: AbortSignal;
}

/** A command of the command line. `run` resolves to the exit code: 0 done, 1 failed, 2 the input or the arguments are unusable. */
export interface Command {
  readonly summary: string;
  readonly usage: string;
  readonly description: string;
  readonly options: Readonly<Record<string, Option>>;
  /** The one word beside the options that it takes, as `--help` shows it. */
  readonly operand?: string;
  /** What `--help` says after the options. */
  readonly notes?: string;
  run(args: Arguments, io: Io): Promise<number>;
}

/** The user's words do not fit; `message` says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** How many letters to change, add or leave out to make one word of the other. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1];
    for (const [j, other] of [...b].entries())
      row.push(Math.min((above[j] ?? 0) + Number(letter !== other), (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    above = row;
  }
  return above.at(-1) ?? 0;
}

/** `; did you mean X?`, where one of the words is near. */
export function suggestion(word: string, known: readonly string[], prefix = ''): string {
  const near = known
    .map(name => ({ name, far: name.startsWith(word) && word.length > 1 ? 0 : distance(word, name) }))
    .sort((a, b) => a.far - b.far)[0];
  return near && near.far <= Math.max(1, Math.floor(near.name.length / 3))
    ? `; did you mean ${prefix}${near.name}?`
    : '';
}

/** Reads `argv` by the command's options, and the environment where it says nothing; of an option that is there twice the last counts. Throws a UsageError. */
export function readArguments(
  command: Command,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Arguments {
  const config: ParseArgsOptionsConfig = {};
  for (const [name, { flag, short }] of Object.entries(command.options))
    config[name] = { type: flag ? 'boolean' : 'string', ...(short && { short }) };
  // Not strict: what is wrong is said here, in the words of who typed it.
  const { tokens } = parseArgs({
    args: argv.map(word => spelledOut(command, word)),
    options: config,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const options: Record<string, string> = {};
  const flags = new Set<string>();
  const spelled: Record<string, string> = {};
  const set = (name: string, option: Option, wrote: string, value: string): void => {
    const before = option.many && name in spelled ? `${options[name]},` : '';
    spelled[name] = wrote;
    if (!option.flag) options[name] = before + value;
    else if (truth(wrote, value)) flags.add(name);
    else flags.delete(name);
  };
  for (const [name, option] of Object.entries(command.options)) {
    if (option.default !== undefined) options[name] = option.default;
    for (const variable of option.env ?? []) {
      const value = env[variable];
      // Kubernetes names variables after Services: one called inbound-capture makes INBOUND_CAPTURE_PORT=tcp://10.96.0.7:80.
      if (value === undefined || (value === '' && !option.mayBeEmpty) || /^(tcp|udp|sctp):\/\//.test(value)) continue;
      set(name, option, variable, value);
    }
  }
  let operand: string | undefined;
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (!command.operand || operand !== undefined)
        throw new UsageError(`unexpected '${token.value}'; the usage is: pilotlight ${command.usage}`);
      operand = token.value;
    } else if (token.kind === 'option') {
      const { name, rawName, value, inlineValue } = token;
      const option = Object.hasOwn(command.options, name) ? command.options[name] : undefined;
      if (!option || ![`--${name}`, `-${option.short}`].includes(rawName))
        throw new UsageError(`unknown option ${rawName}${suggestion(name, Object.keys(command.options), '--')}`);
      set(name, option, rawName, option.flag ? (value ?? 'true') : valueOf(rawName, option, value, inlineValue));
    }
  }
  return { options, flags, spelled, operand };
}

/** `-n=false`, which Go's flags allow and Node's do not, by the flag's word. */
function spelledOut({ options }: Command, word: string): string {
  const [, letter, value] = /^-(\w)=(.*)$/s.exec(word) ?? [];
  const [name] = Object.entries(options).find(([, { short, flag }]) => flag && short === letter) ?? [];
  return letter === undefined || name === undefined ? word : `--${name}=${value}`;
}

function truth(name: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new UsageError(`${name} takes no value but true or false`);
}

function valueOf(name: string, option: Option, typed: string | undefined, inline: boolean | undefined): string {
  const expected = option.value ?? 'VALUE';
  // `-p=15001`, as Go's flags allow.
  const value = inline && !name.startsWith('--') ? typed?.replace(/^=/, '') : typed;
  if (value === '' && option.mayBeEmpty) return value;
  if (!value) throw new UsageError(`${name} needs a value: ${name} ${expected}`);
  if (!inline && value.length > 1 && value.startsWith('-'))
    throw new UsageError(
      `${name} needs a value, and '${value}' looks like an option; if it is the value: ${name}=${value}`,
    );
  return value;
}

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n');
};

/** The page that `pilotlight COMMAND --help` prints. */
export function helpOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, o]): [string, string] => [
    `${o.short ? `-${o.short}, ` : ''}--${name}${o.flag ? '' : ` ${o.value ?? 'VALUE'}`}`,
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

'pilotlight COMMAND --help' explains one, 'pilotlight --version' says which this is. From a checkout: npm run --silent pilotlight -- COMMAND [OPTIONS]
`;
}
