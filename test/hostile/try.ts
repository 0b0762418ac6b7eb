import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Arrival, Canary, Target } from './target.ts';

const attackerFile = join(import.meta.dirname, 'attacker.ts');

/** Megabytes that are resident at most: at full load, too. */
export const most = 400;

/** What an attack came to. */
export interface Outcome {
  /** The canary's changes meanwhile. */
  readonly times: readonly Arrival[];
  /** The most resident memory meanwhile, in megabytes. */
  readonly peak: number;
  /** Milliseconds of the slowest probe meanwhile. */
  readonly probe: number;
  /** The bounds that were met. */
  readonly met: ReadonlySet<string>;
}

/** The value below which so great a part of all are. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** How hard an attack is, and how long. */
export interface Effort {
  /** Of the full load. */
  readonly share: number;
  readonly seconds: number;
  /** If given, the attack ends sooner: as soon as one of these bounds is met. */
  readonly upTo?: readonly string[];
  /** A command that runs the attacker: elsewhere in the network. */
  readonly from?: readonly string[];
}

/** Runs an attack beside the canary. */
export async function tryAttack(
  target: Target,
  canary: Canary,
  name: string,
  { share, seconds, upTo, from = [] }: Effort,
): Promise<Outcome> {
  const before = await target.boundsMet();
  const metSince = async (): Promise<ReadonlySet<string>> => {
    const now = await target.boundsMet();
    return new Set([...now].filter(([bound, count]) => count > (before.get(bound) ?? 0)).map(([bound]) => bound));
  };
  const { xds, http, tls } = target.serve;
  const args = [name, xds, http, tls, target.source.name, String(share), String(seconds)];
  const [command = process.execPath, ...more] = [...from, process.execPath, attackerFile, ...args];
  const attacker = spawn(command, more, { stdio: ['ignore', 'ignore', 'inherit'] });
  let running = true;
  const ended = once(attacker, 'exit').then(() => {
    running = false;
  });
  let peak = target.resident;
  const memory = setInterval(() => {
    peak = Math.max(peak, target.resident);
  }, 100);
  let probe = 0;
  const probes = (async () => {
    while (running) {
      const began = performance.now();
      await target.page('/ready');
      probe = Math.max(probe, performance.now() - began);
      if (upTo) {
        const met = await metSince();
        if (upTo.some(bound => met.has(bound))) attacker.kill();
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  })();
  try {
    const times = await canary.changes(done => !running && done.length > 0);
    await Promise.all([ended, probes]);
    const met = await metSince();
    return { times, peak, probe, met };
  } finally {
    clearInterval(memory);
    attacker.kill();
  }
}
