import { spawnSync } from 'node:child_process';

/** Why there is no Go, for a test's `skip`: it makes proto/bundle.json and is the reference for JSON. */
export const goMissing = spawnSync('go', ['version']).status !== 0 && 'Go is not installed';
