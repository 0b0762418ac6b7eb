import type { Attack } from './attack.ts';
import { fileAttacks } from './file-attacks.ts';
import { httpAttacks } from './http-attacks.ts';
import { objectAttacks } from './object-attacks.ts';
import { tlsAttacks } from './tls-attacks.ts';
import { xdsAttacks } from './xds-attacks.ts';

/** Every one is tried beside a proxy that does nothing wrong. Adding one is adding a row. */
export const attacks: Readonly<Record<string, Attack>> = {
  ...xdsAttacks,
  ...tlsAttacks,
  ...httpAttacks,
  ...fileAttacks,
  ...objectAttacks,
};

/** Those that can be tried where objects are in a folder, or in an API server. */
export const attacksOn = (source: 'folder' | 'kubernetes'): readonly (readonly [name: string, attack: Attack])[] =>
  Object.entries(attacks).filter(([, { on }]) => on === undefined || on === source);
