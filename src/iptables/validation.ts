import { createConnection, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Capture } from './capture.ts';
import type { IpVersion } from './cidr.ts';
import { accountsHere } from './host.ts';
import { CaptureError } from './process.ts';

/** What `--run-validation` connects, and how long it may take. */
export interface Probe {
  /** Nobody listens there. */
  readonly port: number;
  readonly timeoutMs: number;
}

/**
 * Proves by a connection that rules are in force. The proxy's user calls a port of 127.0.0.6 (`::6`) where nobody listens; rules send that to the
 * inbound proxy's port of 127.0.0.1, where this listens: the connection that arrives must be the one that was made, known by its own port. It is
 * Istio's proof. It has to be made as the proxy's user, as root or with CAP_SETUID. Throws a CaptureError that says what happened instead.
 */
export async function validate(capture: Capture, version: IpVersion, { port, timeoutMs }: Probe): Promise<void> {
  const [self, target] = version === 4 ? ['127.0.0.1', '127.0.0.6'] : ['::1', '::6'];
  const arrived = new Set<number>();
  // Only who is the same user may share the port of a proxy that is there already.
  const server = await asProxy(capture, () => listen(self, capture.inboundPort, arrived));
  const giveUp = AbortSignal.timeout(timeoutMs);
  let happened = 'nothing was tried';
  try {
    while (!giveUp.aborted) {
      const own = await asProxy(capture, () => connect(self, target, port, giveUp));
      // A connection is made when the kernel has it, a little before it is accepted here.
      for (let i = 0; own.port !== undefined && !arrived.has(own.port) && i < 20 && !giveUp.aborted; i++)
        await sleep(10);
      if (own.port !== undefined && arrived.has(own.port)) return;
      happened = own.port === undefined ? own.why : 'somebody else took the connection';
      if (!giveUp.aborted) await sleep(100, undefined, { signal: giveUp }).catch(() => {});
    }
  } finally {
    server.close();
  }
  throw new CaptureError(
    `a connection to ${target} port ${port} did not reach the proxy's port ${capture.inboundPort} within ${timeoutMs} ms (${happened}): ` +
      'rules are not in force in this network namespace; the pod must not start',
  );
}

async function listen(host: string, port: number, arrived: Set<number>): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer(socket => {
    if (socket.remotePort !== undefined) arrived.add(socket.remotePort);
    socket.on('error', () => {});
    socket.end();
  });
  server.once('error', reject);
  server.listen({ host, port, reusePort: true }, resolve);
  try {
    await promise;
  } catch (error) {
    throw new CaptureError(`cannot listen on port ${port} of ${host}: ${(error as Error).message}`);
  }
  return server;
}

/** What became of a connection: the port that it was made from, or why there is none. */
type Outcome = { readonly port: number } | { readonly port: undefined; readonly why: string };

function connect(localAddress: string, host: string, port: number, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const socket = createConnection({ host, port, localAddress });
  const end = (outcome: Outcome): void => {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
    resolve(outcome);
  };
  const onAbort = (): void => end({ port: undefined, why: 'no answer' });
  signal.addEventListener('abort', onAbort);
  socket.once('connect', () =>
    end(socket.localPort === undefined ? { port: undefined, why: 'it was closed' } : { port: socket.localPort }),
  );
  socket.once('error', error => end({ port: undefined, why: error.message }));
  return promise;
}

/** The numbers that an owner of a rule stands for: `1337`, `1000-2000`, or a user by name. Throws a CaptureError where nobody has that name. */
function numbersOf(owner: string): readonly [from: number, to: number] {
  const [from = '', to = from] = /^\d/.test(owner) ? owner.split('-') : [accountsHere().users.get(owner)];
  if (from === '') throw new CaptureError(`there is no user ${owner} here, as whom the validation has to connect`);
  return [Number(from), Number(to)];
}

/** Does a thing as the proxy's user: rules know it by that. Root without the right to become somebody else cannot. */
async function asProxy<T>({ proxyUsers }: Capture, act: () => T): Promise<Awaited<T>> {
  const own = process.geteuid?.() ?? 0;
  const users = proxyUsers.map(numbersOf);
  const [user] = users[0] ?? [own];
  if (users.some(([from, to]) => from <= own && own <= to)) return await act();
  try {
    process.seteuid?.(user);
  } catch {
    throw new CaptureError(
      `user ${own} cannot connect as the proxy's user ${user}, whom rules know: run the validation as that user, with --skip-rule-apply`,
    );
  }
  try {
    // The socket is made before this returns; it stays the proxy's.
    return await act();
  } finally {
    process.seteuid?.(own);
  }
}
