import type { ServiceEntry } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a ServiceEntry. */
export const parseServiceEntry = (raw: RawObject): Parsed<ServiceEntry> =>
  parseIstio('ServiceEntry', 'istio.networking.v1alpha3.ServiceEntry', raw, spec => spec);
