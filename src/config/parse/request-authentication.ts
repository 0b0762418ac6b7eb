import type { RequestAuthentication } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a RequestAuthentication. */
export const parseRequestAuthentication = (raw: RawObject): Parsed<RequestAuthentication> =>
  parseIstio('RequestAuthentication', 'istio.security.v1beta1.RequestAuthentication', raw, spec => spec);
