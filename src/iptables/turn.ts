import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Linux's abstract sockets are each network namespace's own, and go with the process that has them. */
const NAME = '\0pilotlight-iptables';

/** As long as iptables waits for its own lock. */
const PATIENCE_MS = 30_000;

/** The name, or undefined where somebody has it. */
function take(): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  const server = createServer(socket => socket.destroy());
  server.once('error', () => resolve(undefined));
  server.listen({ path: NAME }, () => resolve(server));
  return promise;
}

/**
 * Does a thing while nobody else does in this network namespace: what one run has seen would be changed by the other before it acts. After a while it
 * is done all the same: who has the name may be an application, and each table changes in one step anyway.
 */
export async function inTurn<T>(act: () => Promise<T>): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let name = await take();
  while (!name && !patience.aborted) {
    await sleep(50);
    name = await take();
  }
  try {
    return await act();
  } finally {
    name?.close();
  }
}
