import type { Caller, DebugRight } from '../access/caller.ts';
import type { Entry } from './page.ts';

/** What a page may show a caller, or why it may not have it; `known` says whether it is known who calls. */
export type DebugAccess =
  | { readonly ok: true; readonly right: DebugRight }
  | { readonly ok: false; readonly known: boolean; readonly reason: string };

/** istiod's words to whom it does not know. */
export const AUTHENTICATION_REQUIRED = 'authentication required';

/** By istiod's rule and in its words (allowAuthenticatedOrLocalhost, DebugGen), whether a page is asked for over HTTP or over xDS. */
export function debugAccess(shows: Entry['shows'], caller: Caller, debug: DebugRight): DebugAccess {
  if (!shows) return { ok: true, right: { kind: 'none' } };
  if (debug.kind === 'none' || caller.kind === 'anonymous')
    return { ok: false, known: false, reason: 'it shows nothing that says who it is' };
  if (debug.kind === 'all' || shows === 'proxy') return { ok: true, right: debug };
  const who = caller.kind === 'workload' ? caller.proven.identity.uri : caller.kind;
  return { ok: false, known: true, reason: `the debug info is not available for current identity: "${who}"` };
}
