import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation as small as it is when a process has just begun. By default it grows to 128 MB on a large machine, and hardly
 * anything that a control plane makes is garbage so soon that this would save work. (`--max-semi-space-size` counts at the start only.)
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
