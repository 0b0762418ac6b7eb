import type { PeerAuthentication } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a PeerAuthentication. */
export const parsePeerAuthentication = (raw: RawObject): Parsed<PeerAuthentication> =>
  parseIstio('PeerAuthentication', 'istio.security.v1beta1.PeerAuthentication', raw, spec => spec);
