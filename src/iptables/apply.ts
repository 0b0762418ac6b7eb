import { type Binary, findBinary, waiting } from './binary.ts';
import type { Capture } from './capture.ts';
import { type Change, changeOf, type Leftovers } from './change.ts';
import type { IpVersion } from './cidr.ts';
import { accountsHere } from './host.ts';
import { marksIn } from './ours.ts';
import { CaptureError, mustRun } from './process.ts';
import { addRoutes, removeMarks, removePassthrough, removeRoute } from './routes.ts';
import { rulesOf } from './rules.ts';
import { type State, stateOf } from './saved.ts';
import { inTurn } from './turn.ts';

/** How rules are to be put in force. */
export interface Manner {
  readonly versions: readonly IpVersion[];
  readonly leftovers: Leftovers;
  readonly forcedBinary: 'legacy' | 'nft' | undefined;
}

/** Told what is done. */
export type Tell = (line: string) => void;

const nameOf = (version: IpVersion): string => `IPv${version}`;

/** The marks of TPROXY that rules in force have. */
const marksOf = (state: State): Set<number> => new Set(marksIn(state.get('mangle') ?? new Map()));

/** Makes a change; returns what was given to iptables-restore, nothing where there was nothing to do. */
async function make(change: Change, binary: Binary): Promise<string> {
  if (change.kind !== 'restore') return '';
  await mustRun(`${binary.name}-restore`, ['--noflush', ...waiting(binary)], change.text);
  return change.text;
}

/** Throws a CaptureError where there is nothing to capture. */
export function checkVersions({ versions }: Pick<Manner, 'versions'>): void {
  if (versions.length === 0)
    throw new CaptureError(
      'this network namespace has no address that others reach it by: there is nothing to capture yet',
    );
}

/** Puts the rules of a capture in force; nothing is done where they are. Returns what was given to iptables-restore. Throws a CaptureError. */
export async function apply(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  checkVersions(manner);
  return inTurn(() => applyNow(capture, manner, tell));
}

async function applyNow(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  const accounts = accountsHere();
  const steps: {
    readonly version: IpVersion;
    readonly binary: Binary;
    readonly change: Change;
    readonly marks: ReadonlySet<number>;
  }[] = [];
  // All is looked at before anything is changed.
  for (const version of manner.versions) {
    const binary = await findBinary(version, manner.forcedBinary);
    const wanted = rulesOf(capture, version);
    const state = stateOf(binary.saved);
    const change = changeOf(wanted, state, manner.leftovers, accounts);
    if (change.kind === 'refused')
      throw new CaptureError(
        `rules of ${nameOf(version)} that are there are not those that are wanted (${change.why.join('; ')}); ` +
          '--reconcile puts the wanted ones in their place, --cleanup-only takes away those that are there',
      );
    steps.push({ version, binary, change, marks: marksOf(state) });
  }
  let applied = '';
  for (const { version, binary, change, marks } of steps) {
    // What rules lead to is there before they are.
    await addRoutes(capture, version);
    applied += await make(change, binary);
    await removeMarks(version, marks, capture);
    const outcome =
      change.kind === 'restore' ? 'rules are in force' : 'rules are in force already, nothing was changed';
    tell(`${nameOf(version)}: ${outcome} (${binary.name} ${binary.version})`);
  }
  return applied;
}

/** Takes away all that is ours, whichever flags made it, of both families. Returns what was given to iptables-restore. Throws a CaptureError. */
export function cleanUp(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  return inTurn(() => cleanUpNow(capture, manner, tell));
}

async function cleanUpNow(capture: Capture, manner: Manner, tell: Tell): Promise<string> {
  const accounts = accountsHere();
  let applied = '';
  for (const version of [4, 6] as const) {
    let binary: Binary;
    try {
      binary = await findBinary(version, manner.forcedBinary);
    } catch (error) {
      // Where there can be no rules of IPv6 there are none to take away.
      if (!(error instanceof CaptureError) || manner.versions.includes(version)) throw error;
      continue;
    }
    const state = stateOf(binary.saved);
    const change = changeOf([], state, 'replace', accounts, rulesOf(capture, version));
    applied += await make(change, binary);
    await removeMarks(version, marksOf(state).add(capture.tproxyMark));
    // A run that was interrupted leaves one that no rule tells of.
    await removeRoute(version, String(capture.tproxyRouteTable));
    await removePassthrough(version);
    const outcome = change.kind === 'restore' ? 'rules were taken away' : 'there were no rules';
    tell(`${nameOf(version)}: ${outcome} (${binary.name} ${binary.version})`);
  }
  return applied;
}
