import { type Binary, findBinary, waiting } from './binary.ts';
import type { Capture } from './capture.ts';
import { type Change, changeOf, type Leftovers, removal } from './change.ts';
import type { IpVersion } from './cidr.ts';
import { accountsHere } from './host.ts';
import { CaptureError, mustRun } from './process.ts';
import { addRoutes, removeRoutes, routesOf } from './routes.ts';
import { rulesOf } from './rules.ts';
import { stateOf } from './state.ts';

/** How rules are to be put in force. */
export interface Manner {
  readonly versions: readonly IpVersion[];
  readonly leftovers: Leftovers;
  readonly forcedBinary: 'legacy' | 'nft' | undefined;
}

/** Told what is done. */
export type Tell = (line: string) => void;

const nameOf = (version: IpVersion): string => `IPv${version}`;

const restore = (binary: Binary, text: string): Promise<string> =>
  mustRun(`${binary.name}-restore`, ['--noflush', ...waiting(binary)], text);

/** Puts the rules of a capture in force; nothing is done where they are. Returns what was given to iptables-restore. Throws a CaptureError. */
export async function apply(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  const accounts = accountsHere();
  const steps: { readonly version: IpVersion; readonly binary: Binary; readonly change: Change }[] = [];
  // All is looked at before anything is changed.
  for (const version of manner.versions) {
    const binary = await findBinary(version, manner.forcedBinary);
    const wanted = rulesOf(capture, version);
    const change = changeOf(wanted, stateOf(binary.saved), manner.leftovers, accounts);
    if (change.kind === 'refused')
      throw new CaptureError(
        `rules of ${nameOf(version)} that are there are not those that are wanted (${change.why.join('; ')}); ` +
          '--reconcile puts the wanted ones in their place, --cleanup-only takes away those that are there',
      );
    steps.push({ version, binary, change });
  }
  let applied = '';
  for (const { version, binary, change } of steps) {
    // What rules lead to is there before they are.
    await addRoutes(routesOf(capture, version));
    if (change.kind === 'restore') {
      await restore(binary, change.text);
      applied += change.text;
    }
    const outcome =
      change.kind === 'restore' ? 'rules are in force' : 'rules are in force already, nothing was changed';
    tell(`${nameOf(version)}: ${outcome} (${binary.name} ${binary.version})`);
  }
  return applied;
}

/** Takes away all rules of ours, whichever flags made them, of both families. Throws a CaptureError. */
export async function cleanUp(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  const accounts = accountsHere();
  let applied = '';
  for (const version of [4, 6] as const) {
    const once = (['REDIRECT', 'TPROXY'] as const).map((interception): Capture => ({ ...capture, interception }));
    let binary: Binary;
    try {
      binary = await findBinary(version, manner.forcedBinary);
    } catch (error) {
      // Where IPv6 is not to be had there are no rules of it.
      if (!(error instanceof CaptureError) || manner.versions.includes(version)) throw error;
      continue;
    }
    const rules = once.flatMap(each => rulesOf(each, version));
    const change = removal(rules, stateOf(binary.saved), accounts);
    if (change.kind === 'restore') {
      await restore(binary, change.text);
      applied += change.text;
    }
    await removeRoutes(routesOf({ ...capture, interception: 'TPROXY', inboundPorts: '*' }, version));
    tell(
      `${nameOf(version)}: ${change.kind === 'restore' ? 'rules were taken away' : 'there were no rules'} (${binary.name} ${binary.version})`,
    );
  }
  return applied;
}
