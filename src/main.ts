#!/usr/bin/env node
import { isClosedPipe, osError } from './cli/os-error.ts';
import { program } from './cli/program.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(signal));

// Who reads has gone, as `head` does: there is nothing left to do, and nothing is wrong.
process.stdout.on('error', error => {
  if (isClosedPipe(error)) stop.abort(error);
  else {
    process.stderr.write(`pilotlight: ${osError('standard output', error).message}\n`);
    process.exit(2);
  }
});
process.stderr.on('error', error => {
  if (!isClosedPipe(error)) throw error;
});

process.exitCode = await program(process.argv.slice(2), {
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
  signal: stop.signal,
});
