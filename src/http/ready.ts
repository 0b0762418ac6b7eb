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
}

/**
 * 200 once every kind has been listed, and from then on: a control plane that has lost its API server serves the last state, which is better
 * than none. `?verbose` says how each watch is doing.
 */
export const readiness = (read: () => Readiness): Entry => ({
  help: 'Whether proxies are served; ?verbose says how each watch is doing',
  probe: true,
  page({ query }) {
    const { whole, connections, watches } = read();
    const status = whole ? 200 : 503;
    if (!query.has('verbose'))
      return { status, body: whole ? 'ready\n' : 'not ready: not every kind of object has been listed yet\n' };
    const lines = watches.map(
      w => `${w.state === 'failing' ? '[-]' : '[+]'} ${w.name}: ${w.state}${w.lastError ? ` (${w.lastError})` : ''}\n`,
    );
    return { status, body: `${whole ? 'ready' : 'not ready'}\nproxies: ${connections}\n${lines.join('')}` };
  },
});
