import { type Problem, problemLine } from '../config/problem.ts';
import type { Entry } from './page.ts';

/** How the watches of a source are doing, where it has any. */
export interface WatchState {
  readonly name: string;
  readonly state: 'listing' | 'watching' | 'absent' | 'failing';
  readonly lastError?: string;
}

/** What readiness is judged by. */
export interface Readiness {
  /** Whether every kind has been listed once. */
  readonly whole: boolean;
  readonly connections: number;
  readonly watches: readonly WatchState[];
  /** How the TLS port is doing; absent where there is to be none. */
  readonly tls?: { readonly open: boolean; readonly problems: readonly Problem[] } | undefined;
  /** Whether it is known what to inject; absent where pods are not injected. */
  readonly injection?: boolean | undefined;
}

const WAITING = "the Secrets of the mesh's certificate authority have not been read yet";

/** The watches that fail, with the reasons of the first few. */
function failures(watches: readonly WatchState[]): string {
  const failing = watches.filter(({ state }) => state === 'failing');
  const said = failing.slice(0, 3).map(({ name, lastError }) => `${name}: ${lastError ?? 'it fails'}`);
  const more = failing.length > said.length ? `; and ${failing.length - said.length} more` : '';
  return said.length ? ` (${said.join('; ')}${more})` : '';
}

/** What keeps proxies from being served; undefined where nothing does. */
function obstacle({ whole, watches, tls, injection }: Readiness): string | undefined {
  if (!whole) return `not every kind of object has been listed yet${failures(watches)}`;
  if (injection === false) return `the settings of injection have not been read yet${failures(watches)}`;
  if (!tls || tls.open) return undefined;
  return `the TLS port is closed: ${tls.problems.map(problemLine).join('; ') || `${WAITING}${failures(watches)}`}`;
}

/**
 * 200 once every kind has been listed and proxies can connect, over TLS too where they are to, and pods be injected, and from then on: a control plane that has lost its
 * API server serves the last state, which is better than none. `?verbose` says how each watch is doing.
 */
export const readiness = (read: () => Readiness): Entry => ({
  help: 'Whether proxies are served; ?verbose says how each watch is doing',
  probe: true,
  page({ query }) {
    const state = read();
    const { connections, watches, tls } = state;
    const missing = obstacle(state);
    const status = missing === undefined ? 200 : 503;
    const said = missing === undefined ? 'ready\n' : `not ready: ${missing}\n`;
    if (!query.has('verbose')) return { status, body: said };
    const lines = watches.map(
      w => `${w.state === 'failing' ? '[-]' : '[+]'} ${w.name}: ${w.state}${w.lastError ? ` (${w.lastError})` : ''}\n`,
    );
    if (tls?.open) for (const problem of tls.problems) lines.push(`authority: ${problemLine(problem)}\n`);
    return { status, body: `${said}proxies: ${connections}\n${lines.join('')}` };
  },
});
