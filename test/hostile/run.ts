// Every attack at its full load, beside a canary:
//   npm run test:hostile -- [NAME...] [--seconds N] [--settle N] [--source folder|kubernetes] [--elsewhere]
// --source kubernetes: over a real API server (test/lab builds it). --elsewhere: attacks come from another address; needs root.
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { imageProgram } from '../bench/image.ts';
import { table } from '../bench/process.ts';
import { attacksOn } from './attacks.ts';
import { Cluster } from './cluster.ts';
import { elsewhere, from, host } from './elsewhere.ts';
import { type Arrival, Canary, Target } from './target.ts';
import { most, quantile, tryAttack } from './try.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    settle: { type: 'string', default: '60' },
    source: { type: 'string', default: 'folder' },
    elsewhere: { type: 'boolean', default: false },
  },
});
if (values.elsewhere) process.exit(await elsewhere(fileURLToPath(import.meta.url), process.argv.slice(2)));
const source = values.source === 'kubernetes' ? 'kubernetes' : 'folder';
const names = positionals.length > 0 ? positionals : attacksOn(source).map(([name]) => name);
const { command, args, env } = imageProgram();
const ms = (value: number): string => `${value.toFixed(0)} ms`;
const [ofMs, ofWork] = [({ ms: each }: Arrival) => each, ({ work }: Arrival) => work];
const both = (times: readonly Arrival[], of: (arrival: Arrival) => number): string =>
  [0.5, 0.99].map(part => ms(quantile(times.map(of), part))).join('/');
const mb = (value: number): string => `${value.toFixed(0)} MB`;

const rows: string[][] = [
  [
    'attack',
    'canary before p50/p99',
    'meanwhile p50/p99 (changes)',
    'of it the event loop worked',
    'memory before/peak/later',
    'slowest probe',
    'bounds met',
    '',
  ],
];
let failed = false;
{
  await using cluster = source === 'kubernetes' ? await Cluster.start() : undefined;
  for (const name of names) {
    // Each attack has a server of its own: what one leaves behind is seen, and does not help the next.
    const program = { program: [command, ...args], env, host };
    const target = await Target.start(300, program, cluster && (objects => cluster.holding(objects)));
    const canary = await Canary.start(target);
    await canary.changes(times => times.length >= 30);
    const before = await canary.changes(times => times.length >= 100);
    const resident = target.resident;
    const verdict: string[] = [];
    let row = [name, both(before, ofMs)];
    try {
      const { times, peak, probe, met } = await tryAttack(target, canary, name, {
        share: 1,
        from,
        seconds: Number(values.seconds),
      });
      await pause(Number(values.settle) * 1000);
      await canary.change();
      const later = target.resident;
      const p99 = quantile(times.map(ofMs), 0.99);
      row = [
        ...row,
        `${both(times, ofMs)} (${times.length})`,
        both(times, ofWork),
        `${mb(resident)}/${mb(peak)}/${mb(later)}`,
        ms(probe),
        [...met].join(', '),
      ];
      if (p99 > Math.max(100, 2 * quantile(before.map(ofMs), 0.99))) verdict.push('slow');
      if (peak > most) verdict.push('memory');
      if (later > resident * 1.2) verdict.push('kept');
    } catch (error) {
      verdict.push(target.alive ? String(error) : 'the server is dead');
    }
    canary.close();
    if (target.alive) {
      const stopped = await target.stop();
      if (stopped > 6_000) verdict.push(`SIGTERM took ${ms(stopped)}`);
    }
    failed ||= verdict.length > 0;
    rows.push([...row, verdict.join(', ') || 'ok']);
    process.stdout.write(`${rows.at(-1)?.join('  ')}\n`);
  }
}
process.stdout.write(`\n${table(rows)}\n`);
process.exit(failed ? 1 : 0);
