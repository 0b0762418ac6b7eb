// Follows a folder, takes all open files that the process may have, has a file of the folder changed, and gives them back. Prints how many
// Services and problems there are each time.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigStore } from '../../src/config/store.ts';
import { directorySource } from '../../src/sources/directory.ts';
import { until } from '../support/until.ts';
import { service } from './folder.ts';

const folder = process.argv[2] ?? '';
const store = new ConfigStore();
const stop = new AbortController();
const counts = () => [store.contents().Service.size, [...store.contents().problems.values()].flat().length].join(' ');

await directorySource({ folder, log: { warn: () => {} } }).run(change => void store.apply(change), stop.signal).synced;
const lines = [counts()];

writeFileSync(join(folder, 'new.yaml'), '');
const taken: number[] = [];
try {
  for (;;) taken.push(openSync(folder, 'r'));
} catch {
  // There are none left.
}
const one = taken.pop();
if (one !== undefined) closeSync(one);
writeFileSync(join(folder, 'new.yaml'), service('new'));
try {
  for (;;) taken.push(openSync(folder, 'r'));
} catch {
  // There are none left.
}
await until('a problem', () => store.contents().problems.size > 0);
lines.push(counts());
await pause(100);
for (const file of taken) closeSync(file);
await until('no problem', () => store.contents().Service.size === 51 && store.contents().problems.size === 0);
lines.push(counts());
stop.abort();
process.stdout.write(`${lines.join('\n')}\n`);
