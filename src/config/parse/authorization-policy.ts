import type { AuthorizationPolicy } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a AuthorizationPolicy. */
export const parseAuthorizationPolicy = (raw: RawObject): Parsed<AuthorizationPolicy> =>
  parseIstio('AuthorizationPolicy', 'istio.security.v1beta1.AuthorizationPolicy', raw, spec => spec);
