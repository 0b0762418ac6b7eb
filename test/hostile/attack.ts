import { setTimeout as pause } from 'node:timers/promises';

/** How hard, and for how long: `share` of the full load. */
export interface Load {
  /** The xDS port and the pages: `host:port`; attacks take `tls:host:port` for their address, too. */
  readonly address: string;
  readonly http: string;
  /** The TLS port; empty where there is none. */
  readonly tls: string;
  /** Where its objects are: a folder, or the kubeconfig of an API server. */
  readonly source: string;
  readonly share: number;
  readonly until: number;
}

/** What somebody does to the control plane. */
export interface Attack {
  readonly what: string;
  /** Where its objects must be for it; wherever they are, by default. */
  readonly on?: 'folder' | 'kubernetes';
  /** The bounds that it meets, at least one of them. */
  readonly meets?: readonly string[];
  run(load: Load): Promise<void>;
}

export const over = ({ until }: Load): boolean => Date.now() > until;
export const part = ({ share }: Load, full: number): number => Math.max(1, Math.round(full * share));
export const list = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
export const rest = async ({ until }: Load): Promise<void> => void (await pause(Math.max(0, until - Date.now())));

/** Does something again and again until the time is up; what fails is tried again soon. */
export async function again(load: Load, once: () => Promise<void>): Promise<void> {
  while (!over(load)) {
    await once().catch(() => {});
    await pause(1);
  }
}

export const perSecond =
  (rate: number, what: (load: Load, n: number) => void) =>
  async (load: Load): Promise<void> => {
    const began = Date.now();
    for (let n = 0; !over(load); await pause(5))
      for (const due = ((Date.now() - began) / 1000) * rate * load.share; n < due; n++) what(load, n);
  };
