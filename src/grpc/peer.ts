import type { X509Certificate } from 'node:crypto';

/** Where a call or a request comes from. */
export interface Origin {
  /** `address:port`, without brackets: `10.1.0.5:4711`, `::1:4711`. */
  readonly address: string;
  /** The name of the port of this server that it came to. */
  readonly port: string;
}

/** Where it comes from, with what it shows to be let in. */
export interface Peer extends Origin {
  /** The values of a header, such as `authorization`. */
  header(name: string): readonly string[];
  /** The client certificate and what came behind it, verified; empty without. */
  readonly certificates: readonly X509Certificate[];
}

/** The address of a socket's other end. A socket for both families shows peers of IPv4 as `::ffff:10.1.0.5`. */
export function addressOf({ remoteAddress = 'unknown', remotePort }: Remote): string {
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  return remotePort === undefined ? address : `${address}:${remotePort}`;
}

/** The host of an `address:port`. */
export const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':'));

interface Remote {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}
