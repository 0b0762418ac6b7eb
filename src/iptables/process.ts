import { execFile } from 'node:child_process';

/** What a program came to. */
export interface Ended {
  /** Absent where there is no such program. */
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** What keeps a pod's traffic from being captured; the message is for who reads the log of its container. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}

/** A hung program would hold up the pod for good; iptables itself waits 30 s for its lock. */
const LIMIT = { timeout: 60_000, maxBuffer: 64 << 20 };

/** Runs a program to its end, without a shell. */
export function run(program: string, args: readonly string[], input = ''): Promise<Ended> {
  return new Promise(resolve => {
    const child = execFile(program, args, { ...LIMIT, encoding: 'utf8' }, (error, out, err) => {
      if (!error) resolve({ code: 0, out, err });
      else if (error.code === 'ENOENT') resolve({ code: undefined, out, err: `there is no program ${program}` });
      else {
        const said = err.trim() || (error.killed ? 'it did not end within 60 s' : error.message);
        resolve({ code: typeof error.code === 'number' ? error.code : 1, out, err: said });
      }
    });
    // Who does not read to the end says why by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** As run, where a failure is the end of it. */
export async function mustRun(program: string, args: readonly string[], input = ''): Promise<string> {
  const { code, out, err } = await run(program, args, input);
  if (code === 0) return out;
  throw new CaptureError(`${[program, ...args].join(' ')}: ${reason(err)}`);
}

/** What a program says, and what to do. */
const remedies: readonly (readonly [symptom: RegExp, remedy: string])[] = [
  [
    /permission denied|not permitted|must be root/i,
    'it takes user 0 with the capabilities NET_ADMIN and NET_RAW (securityContext of the container)',
  ],
  [/cannot handle more arguments/, 'ISTIO_OUTBOUND_OWNER_GROUPS can name at most 49 groups here'],
  [
    /Bad value for .*owner|bad (uid|gid)/i,
    'a user or group that is named has to exist in this image; a number need not',
  ],
];

/** What a program said, in one line, without its offer to explain itself. */
const lineOf = (said: string): string =>
  said
    .split('\n')
    .map(line => line.trim().replace(/[.:]$/, ''))
    .filter(line => line && !line.startsWith('Try '))
    .slice(0, 3)
    .join('; ');

/** What programs said, in one line, and what to do where that is known. */
export function reason(...said: readonly string[]): string {
  const line = [...new Set(said.map(lineOf))].filter(Boolean).join('; ');
  const remedy = remedies.find(([symptom]) => symptom.test(line))?.[1];
  return remedy ? `${line}: ${remedy}` : line;
}
