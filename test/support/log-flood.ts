/** Logs far more than a pipe holds, tells on standard output how often its event loop came round, and ends. */

import { setTimeout as pause } from 'node:timers/promises';
import { bounds } from '../../src/bounds.ts';
import { createLog } from '../../src/log/log.ts';

const { log, end } = createLog('info');
for (let i = 0; i < 2 * bounds['log-repeats'].most; i++) log.info('the same');
for (let i = 0; i < 2_000; i++) {
  const list = Array.from({ length: 100 }, (_, n) => n);
  log.info({ text: 'x'.repeat(5_000), list, err: new Error('y'.repeat(9_000)) }, `event ${i % 40}`);
  if (i % 100 === 0) await pause(1);
}
process.stdout.write('went on\n');
end();
