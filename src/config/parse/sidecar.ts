import type { Sidecar } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a Sidecar. */
export const parseSidecar = (raw: RawObject): Parsed<Sidecar> =>
  parseIstio('Sidecar', 'istio.networking.v1alpha3.Sidecar', raw, spec => spec);
