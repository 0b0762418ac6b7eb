import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Attack, again, type Load, list, part } from './attack.ts';

const MB = 1 << 20;

const document = (kind: string, apiVersion: string, n: number, filler: number): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: n-${n}\n  namespace: load\ndata:\n${`  k: ${'x'.repeat(60)}\n`.repeat(filler)}`;

/** Writes a file again and again, as an editor does, and takes it away at the end. */
async function rewritten(load: Load, text: () => string): Promise<void> {
  const file = join(load.source, 'large.yaml');
  await again(load, async () => {
    writeFileSync(file, text());
    await pause(3_000);
  });
  rmSync(file, { force: true });
}

/** What files in the folder are. */
export const fileAttacks: Readonly<Record<string, Attack>> = {
  'file-of-50-mb': {
    on: 'folder',
    what: 'a file of 50 MB, of a kind that is not read',
    run: load =>
      rewritten(
        load,
        () =>
          `${document('ConfigMap', 'v1', 0, 1)}  big: |\n${`    ${'y'.repeat(60)}\n`.repeat(part(load, (50 * MB) / 65))}`,
      ),
  },
  'file-of-many-documents': {
    on: 'folder',
    what: 'a file of 100,000 documents of a kind that is not read',
    run: load =>
      rewritten(load, () =>
        list(part(load, 100_000))
          .map(n => document('ConfigMap', 'v1', n, 1))
          .join('---\n'),
      ),
  },
  'file-of-many-objects': {
    on: 'folder',
    what: 'a file of 20,000 DestinationRules with a mistake each',
    run: load =>
      rewritten(load, () =>
        list(part(load, 20_000))
          .map(
            n =>
              `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: n-${n}\n  namespace: load\nspec:\n  host: h-${n}.example.com\n  mistake: ${Date.now()}\n`,
          )
          .join('---\n'),
      ),
  },
};
