import type { Attack } from './attack.ts';
import { fileAttacks } from './file-attacks.ts';
import { httpAttacks } from './http-attacks.ts';
import { xdsAttacks } from './xds-attacks.ts';

/** Every one is tried beside a proxy that does nothing wrong. Adding one is adding a row. */
export const attacks: Readonly<Record<string, Attack>> = { ...xdsAttacks, ...httpAttacks, ...fileAttacks };
