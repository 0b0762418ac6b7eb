#!/usr/bin/env node
import { bootstrap } from './cli/bootstrap.ts';
import { type Command, helpOf, type Io, overview, readArguments, UsageError } from './cli/command.ts';
import { serve } from './cli/serve.ts';
import { translate } from './cli/translate.ts';

/** Every command there is. */
const commands: Readonly<Record<string, Command>> = { serve, bootstrap, translate };

async function main(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    io.out(overview(commands));
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    io.err(`pilotlight: there is no command '${name}'. The commands are: ${Object.keys(commands).join(', ')}.\n`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(helpOf(command));
    return 0;
  }
  try {
    return await command.run(readArguments(command, rest), io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`pilotlight ${name}: ${error.message}\nTry 'pilotlight ${name} --help'.\n`);
    return 2;
  }
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(signal));

process.exitCode = await main(process.argv.slice(2), {
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
  env: process.env,
  signal: stop.signal,
});
