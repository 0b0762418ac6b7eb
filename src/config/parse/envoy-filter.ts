import type { EnvoyFilter } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a EnvoyFilter. */
export const parseEnvoyFilter = (raw: RawObject): Parsed<EnvoyFilter> =>
  parseIstio('EnvoyFilter', 'istio.networking.v1alpha3.EnvoyFilter', raw, spec => spec);
