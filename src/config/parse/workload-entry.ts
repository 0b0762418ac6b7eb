import type { WorkloadEntry } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a WorkloadEntry. */
export const parseWorkloadEntry = (raw: RawObject): Parsed<WorkloadEntry> =>
  parseIstio('WorkloadEntry', 'istio.networking.v1alpha3.WorkloadEntry', raw, spec => spec);
