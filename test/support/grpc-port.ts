import type { Clock } from '../../src/clock.ts';
import { type GrpcPort, GrpcServer, type Methods } from '../../src/grpc/server.ts';
import { status } from '../../src/grpc/status.ts';
import { stillClock } from './clock.ts';

/** A gRPC server of one plaintext port. */
export interface ServedPort {
  readonly port: number;
  /** `127.0.0.1:4711` */
  readonly address: string;
  stop(graceMs?: number): Promise<void>;
}

/** Serves methods on a port of this machine. Its bounds in time are those of a clock that stands still, unless another one is given. */
export async function servePort(
  methods: Methods,
  options: Partial<GrpcPort> & { readonly clock?: Clock } = {},
): Promise<ServedPort> {
  const { clock = stillClock, ...port } = options;
  const server = new GrpcServer({ clock });
  const number = await server.listen({ name: 'test', address: '127.0.0.1:0', methods, ...port });
  return {
    port: number,
    address: `127.0.0.1:${number}`,
    stop: (graceMs = 0) => server.stop(status.UNAVAILABLE, 'over', graceMs),
  };
}
