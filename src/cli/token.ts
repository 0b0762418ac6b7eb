import { rename, writeFile } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import { type Arguments, type Io, UsageError } from '../command.ts';
import { podToken } from '../security/pod-token.ts';
import { DAY, duration } from '../settings/option-values.ts';
import { readFolderAuthority } from './ca-folder.ts';
import { findPod } from './find-pod.ts';
import { osError } from './os-error.ts';

/** Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const { ca, ttl = '', out = '-' } = args.options;
  if (!ca) throw new UsageError('--ca DIR is needed: the folder that pilotlight serve --ca has made');
  const life = duration('ttl', ttl, 365 * DAY);
  const { pod } = await findPod(args);
  const now = systemClock.now();
  const { tokenKey } = await readFolderAuthority(ca, now);
  const { namespace, name } = pod.meta;
  const subject = { namespace, serviceAccount: pod.serviceAccount, pod: name };
  const token = await podToken(tokenKey, subject, life, now);
  if (out === '-') io.out(`${token}\n`);
  else await replaceFile(out, token);
  return 0;
}

/** In one step, so that an Envoy which reads it meanwhile has the one or the other; whoever has a token is who it is for. */
async function replaceFile(path: string, text: string): Promise<void> {
  const half = `${path}.${process.pid}`;
  try {
    await writeFile(half, text, { mode: 0o600, flag: 'wx' });
    await rename(half, path);
  } catch (error) {
    throw osError(`--out: ${path}`, error);
  }
}
