import { type Command, helpOf, type Io, overview, readArguments, suggestion, UsageError } from '../command.ts';
import { VERSION } from '../version.ts';
import { commands } from './commands.ts';

function commandOf(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command;
  const names = Object.keys(commands);
  throw new UsageError(
    name.startsWith('-')
      ? `options come after a command: ${names.join(', ')}`
      : `there is no command '${name}'; the commands are ${names.join(', ')}${suggestion(name, names)}`,
  );
}

async function run([name, ...rest]: readonly string[], io: Io): Promise<number> {
  const asks = (...words: readonly string[]): boolean => rest.some(word => words.includes(word));
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const [about] = rest;
    io.out(about === undefined ? overview(commands) : helpOf(commandOf(about)));
    return 0;
  }
  if (name === 'version' || name === '--version' || name === '-v') {
    io.out(`${VERSION}\n`);
    return 0;
  }
  const command = commandOf(name);
  if (asks('--help', '-h')) io.out(helpOf(command));
  else if (asks('--version')) io.out(`${VERSION}\n`);
  else return command.run(readArguments(command, rest, process.env), io);
  return 0;
}

/** Does what a command line says, and resolves to the exit code. Usage errors are one sentence; any other error is a mistake of the program, and is to show where. */
export async function program(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await run(argv, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // What was stopped while it began has nothing to answer for.
    if (io.signal.aborted) return 0;
    const name = Object.hasOwn(commands, argv[0] ?? '') ? ` ${argv[0]}` : '';
    io.err(`pilotlight${name}: ${error.message}\nTry 'pilotlight${name} --help'.\n`);
    return 2;
  }
}
