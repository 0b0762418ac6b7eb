import { isIP } from 'node:net';
import { isUnspecified } from '../istio/ip-families.ts';

/** A host and a port to listen on. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address as it stands in a URL. */
export const hostAndPort = ({ host, port }: Address): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

/** Where what listens on an address is reached from this machine, as it stands in a URL. */
export const reachedAt = ({ host, port }: Address): string =>
  hostAndPort({ host: isUnspecified(host) ? 'localhost' : host, port });
