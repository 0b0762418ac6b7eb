import type { VirtualService } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a VirtualService. */
export const parseVirtualService = (raw: RawObject): Parsed<VirtualService> =>
  parseIstio('VirtualService', 'istio.networking.v1alpha3.VirtualService', raw, spec => spec);
