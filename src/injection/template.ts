import type { Report } from '../config/report.ts';
import type { MeshConfig, ProxyConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import type { JsonObject } from '../unknown.ts';
import type { Container, Pod } from './pod.ts';
import type { Values } from './values.ts';
import type { Workload } from './workload.ts';

/** All that a template may read. */
export interface TemplateContext {
  /** The pod as its author wrote it: without what an earlier injection added. */
  readonly pod: Pod;
  readonly workload: Workload;
  readonly proxy: ProxyConfig;
  readonly mesh: MeshConfig;
  readonly values: Values;
  /** The revision's name; empty for the default one. */
  readonly revision: string;
  /** The proxy is an init container that goes on running beside the app (KEP-753). */
  readonly native: boolean;
  /** `fips-140-2` and the like, that Istio's agent keeps to; empty for none (istiod: COMPLIANCE_POLICY). */
  readonly compliancePolicy: string;
}

/** What a template adds to a pod: a strategic merge patch. */
export interface Template {
  readonly name: string;
  patch(context: TemplateContext): JsonObject;
  /** The image of the proxy that it adds; a user's own template says none. */
  image?(context: TemplateContext): string;
  /** Its image is not that of Istio's settings. */
  readonly otherImage?: true;
  /** Warns of settings that it does not follow. */
  warn?(context: TemplateContext, report: Report): void;
  /** The proxy's container once all is known of the pod that it is in, other templates and the user's own words included. */
  finish?(proxy: Container, context: TemplateContext, injected: Pod): Container;
}
