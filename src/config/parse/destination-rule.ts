import type { DestinationRule } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a DestinationRule. */
export const parseDestinationRule = (raw: RawObject): Parsed<DestinationRule> =>
  parseIstio('DestinationRule', 'istio.networking.v1alpha3.DestinationRule', raw, spec => spec);
