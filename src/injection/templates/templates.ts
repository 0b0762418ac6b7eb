import type { Template } from '../template.ts';
import { envoy, envoyGateway } from './envoy.ts';
import { istioProxy } from './istio-proxy.ts';
import { istioProxyGateway } from './istio-proxy-gateway.ts';

/** Templates that are there without a word in the settings, by name. */
export const builtInTemplates: ReadonlyMap<string, Template> = new Map(
  [envoy, envoyGateway, istioProxy, istioProxyGateway].map(template => [template.name, template]),
);

/** What Istio's names for templates stand for; `aliases` of the settings can have them stand for the others. */
export const builtInAliases: { readonly [name: string]: readonly string[] } = {
  sidecar: ['envoy'],
  gateway: ['envoy-gateway'],
};
