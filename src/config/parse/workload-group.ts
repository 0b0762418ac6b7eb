import type { WorkloadGroup } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a WorkloadGroup. */
export const parseWorkloadGroup = (raw: RawObject): Parsed<WorkloadGroup> =>
  parseIstio('WorkloadGroup', 'istio.networking.v1alpha3.WorkloadGroup', raw, spec => spec);
