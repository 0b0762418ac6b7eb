import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { LeaderTiming } from '../kubernetes/leader.ts';
import type { Permit, Writer } from '../kubernetes/writer.ts';
import type { Collection } from '../sources/kubernetes/collection.ts';
import type { ListWatchSink } from '../sources/kubernetes/list-watch.ts';

/** Follows a collection of the API server until the signal aborts. `title` names it among the watches. Resolves once it has been listed. */
export type Follow = (title: string, collection: Collection, sink: ListWatchSink, signal: AbortSignal) => Promise<void>;

/** The cluster that an authority is kept in, and this replica's place there. */
export interface Cluster {
  readonly follow: Follow;
  readonly writer: (permit: Permit) => Writer;
  /** The system namespace. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How the replicas compete for being the leader; client-go's times without. */
  readonly leaderTiming?: LeaderTiming;
}
