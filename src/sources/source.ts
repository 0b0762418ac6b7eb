import type { ConfigChange } from '../config/store.ts';

/** Where objects come from: a directory, a Kubernetes API server. */
export interface ConfigSource {
  /** Tells it from the others. */
  readonly name: string;
  /**
   * Emits changes until `signal` aborts. `synced` resolves once every kind has been listed, so that what was emitted is a whole world; it
   * rejects only when the source cannot ever work (a folder that does not exist).
   */
  run(emit: (change: ConfigChange) => void, signal: AbortSignal): { readonly synced: Promise<void> };
}
