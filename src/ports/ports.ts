import { createServer } from 'node:net';
import type { Caller, Identify, Rights } from '../access/caller.ts';
import type { BoundName } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import type { Ration } from '../grpc/ration.ts';
import { GrpcServer, type Methods } from '../grpc/server.ts';
import { status } from '../grpc/status.ts';
import type { Pages } from '../http/page.ts';
import { startHttp } from '../http/server.ts';
import type { Log } from '../log/log.ts';
import { type Address, hostAndPort, reachedAt } from '../settings/address.ts';
import type { ServerTls } from '../tls.ts';

/** The ports that there can be, as their options have them: `--http-address`. */
export type PortName = 'http' | 'monitoring' | 'xds' | 'tls' | 'webhook' | 'controlz';

/** A row of the table of what listens. */
export interface Port {
  readonly name: PortName;
  readonly address: Address;
  /** Plaintext without. */
  readonly tls?: ServerTls;
  /** Who may enter, and as whom. */
  readonly identify: Identify;
  readonly serves: { readonly grpc: Methods } | { readonly pages: Pages };
}

/** An address cannot be listened on; `cause` says why. */
export class ListenError extends Error {
  readonly port: PortName;
  readonly address: Address;

  constructor({ name, address }: Pick<Port, 'name' | 'address'>, cause: unknown) {
    super(`cannot listen for ${name}`, { cause });
    this.port = name;
    this.address = address;
  }
}

/** Listens for a moment; resolves to the address, `:0` replaced by a port that is free. Rejects with a ListenError. */
async function probePort(port: Pick<Port, 'name' | 'address'>): Promise<Address> {
  const { promise, resolve, reject } = Promise.withResolvers<Address>();
  const server = createServer().once('error', error => reject(new ListenError(port, error)));
  server.listen(port.address, () => {
    const bound = server.address();
    const address = typeof bound === 'object' && bound ? { ...port.address, port: bound.port } : port.address;
    server.close(() => resolve(address));
  });
  return promise;
}

/** What ports ask and tell. */
export interface PortsContext {
  readonly clock: Clock;
  readonly ration?: Ration;
  rightsOf(caller: Caller): Rights;
  readonly log: Log;
  boundMet(bound: BoundName, peer: string | undefined): void;
}

/** The ports of a table, open. */
export interface OpenPorts {
  /** Where a port is reached from this machine: `host:port`. */
  reachedAt(name: PortName): string;
  /** Who a peer is, as the port that it came to finds out. */
  readonly identify: Identify;
  /**
   * Whether a port that is opened later can be, found out now: resolves to its address, `:0` replaced by a port that is free. Where it cannot, all are
   * closed; rejects with a ListenError.
   */
  probe(port: Pick<Port, 'name' | 'address'>): Promise<Address>;
  /** Opens another port. Rejects with a ListenError. */
  open(port: Port): Promise<void>;
  /** Stops accepting, lets what is being written go out, and ends all streams; after `graceMs` what is left is cut off. */
  close(graceMs?: number): Promise<void>;
}

/** Opens the ports of a table, one after the other. Where one cannot be opened those before it are closed; rejects with a ListenError. */
export async function openPorts(table: readonly Port[], context: PortsContext): Promise<OpenPorts> {
  const grpc = new GrpcServer({
    clock: context.clock,
    ...(context.ration && { ration: context.ration }),
    onBound: (bound, transport) => context.boundMet(bound, transport?.address),
  });
  const opened = new Map<string, { readonly port: Port; readonly reachedAt: string }>();
  const closing = [(graceMs: number) => grpc.stop(status.UNAVAILABLE, 'the control plane is stopping', graceMs)];
  const { log } = context;
  const listener = {
    rightsOf: context.rightsOf,
    refused: (path: string, peer: string, problem: string) => log.warn({ path, peer, problem }, 'a page was refused'),
    failed: (error: unknown, path: string) => log.error({ path, err: error }, 'a page failed'),
    bound: context.boundMet,
  };
  const listen = async ({ serves, ...port }: Port): Promise<string> => {
    if ('pages' in serves) {
      const server = await startHttp({ ...port, pages: serves.pages }, listener);
      closing.push(() => server.stop());
      return server.address;
    }
    const bound = await grpc.listen({ ...port, address: hostAndPort(port.address), methods: serves.grpc });
    return reachedAt({ host: port.address.host, port: bound });
  };
  const ports: OpenPorts = {
    reachedAt: name => opened.get(name)?.reachedAt ?? '',
    identify(peer) {
      const at = opened.get(peer.port);
      if (!at) throw new Error(`a peer came to a port that is not open: ${peer.port}`);
      return at.port.identify(peer);
    },
    async probe(port) {
      try {
        return await probePort(port);
      } catch (error) {
        await ports.close();
        throw error;
      }
    },
    async open(port) {
      try {
        opened.set(port.name, { port, reachedAt: await listen(port) });
      } catch (error) {
        throw new ListenError(port, error);
      }
    },
    async close(graceMs = 5_000) {
      await Promise.all(closing.map(each => each(graceMs)));
    },
  };
  try {
    for (const port of table) await ports.open(port);
  } catch (error) {
    await ports.close();
    throw error;
  }
  return ports;
}
