import type { Gateway } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a Gateway. */
export const parseGateway = (raw: RawObject): Parsed<Gateway> =>
  parseIstio('Gateway', 'istio.networking.v1alpha3.Gateway', raw, spec => spec);
