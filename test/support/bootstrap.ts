import { bootstrap } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';

/** What `pilotlight bootstrap` prints for these arguments. Throws on what it says on standard error. */
export async function bootstrapText(...argv: readonly string[]): Promise<string> {
  let out = '';
  await bootstrap.run(readArguments(bootstrap, argv), {
    out: text => {
      out += text;
    },
    err: text => {
      throw new Error(text);
    },
    signal: new AbortController().signal,
  });
  return out;
}
