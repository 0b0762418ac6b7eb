import type { Template } from '../template.ts';
import { envoy, envoyGateway } from './envoy.ts';
import { istioProxy } from './istio-proxy.ts';
import { istioProxyGateway } from './istio-proxy-gateway.ts';

/** Templates that are there without a word in the settings, by name. */
export const builtInTemplates: ReadonlyMap<string, Template> = new Map(
  [envoy, envoyGateway, istioProxy, istioProxyGateway].map(template => [template.name, template]),
);

/** The sidecars to choose from, with what Istio's names for templates then stand for. */
export const sidecars = {
  envoy: { sidecar: ['envoy'], gateway: ['envoy-gateway'] },
  'istio-proxy': { sidecar: ['istio-proxy'], gateway: ['istio-proxy-gateway'] },
} as const satisfies { readonly [name: string]: { readonly [alias: string]: readonly string[] } };

export type Sidecar = keyof typeof sidecars;

export const defaultSidecar: Sidecar = 'envoy';
