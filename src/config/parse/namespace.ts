import type { KubeNamespace } from '../../istio/kubernetes.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseKube } from './kube.ts';

/** Reads a Namespace: its labels and annotations say which policies and revisions apply. */
export const parseNamespace = (raw: RawObject): Parsed<KubeNamespace> =>
  parseKube('Namespace', raw, meta => ({ kind: 'Namespace', meta }), 'cluster');
