import type { Telemetry } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a Telemetry. */
export const parseTelemetry = (raw: RawObject): Parsed<Telemetry> =>
  parseIstio('Telemetry', 'istio.telemetry.v1alpha1.Telemetry', raw, spec => spec);
