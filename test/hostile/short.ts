// Some attacks at a part of their load, wherever this process is in the network: node short.ts NAME... Exits with 0 where all of them are withstood.
import { imageEnvironment } from '../bench/image.ts';
import { from, host } from './elsewhere.ts';
import { Canary, Target } from './target.ts';
import { most, tryAttack } from './try.ts';

const target = await Target.start(50, { env: imageEnvironment(), host });
const canary = await Canary.start(target);
let failed = false;
for (const name of process.argv.slice(2)) {
  const { times, peak } = await tryAttack(target, canary, name, { share: 0.2, seconds: 2, from });
  const held = target.alive && times.length > 0 && peak < most;
  process.stdout.write(
    `${name}: ${times.length} changes, ${peak.toFixed(0)} MB, ${held ? 'withstood' : 'not withstood'}\n`,
  );
  failed ||= !held;
}
canary.close();
if (target.alive) await target.stop();
process.exit(failed ? 1 : 0);
