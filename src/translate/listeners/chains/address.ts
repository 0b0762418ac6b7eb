import type { Address } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { AdditionalAddress } from '../../../proto/generated/envoy/config/listener/v3.ts';

const UNIX_PREFIX = 'unix://';

/** Whether a bind names a Unix socket. */
export const isUnixSocket = (bind: string): boolean => bind.startsWith(UNIX_PREFIX);

/** An IP with a port, or a Unix socket where there is no port (istio: util.BuildAddress). */
export const listenAddress = (bind: string, port: number): Address =>
  port === 0
    ? { pipe: { path: isUnixSocket(bind) ? bind.slice(UNIX_PREFIX.length) : bind } }
    : { socket_address: { address: bind, port_value: port } };

/** Further addresses of the same listener. */
export const additionalAddresses = (
  binds: readonly string[],
  port: number,
): readonly AdditionalAddress[] | undefined =>
  binds.length > 0 ? binds.map(bind => ({ address: listenAddress(bind, port) })) : undefined;
