import { ProxyConfig_InboundInterceptionMode as Mode } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { PROXY } from '../pod.ts';
import type { Template } from '../template.ts';
import * as agent from './agent.ts';
import * as parts from './parts.ts';

/** Istio's own gateway: its image as a router, for Deployments whose container `istio-proxy` has the image `auto` (gateway-injection-template.yaml). */
export const istioProxyGateway: Template = {
  name: 'istio-proxy-gateway',
  image: agent.proxyImage,
  patch(context) {
    const { values, workload } = context;
    const { proxy } = values.global;
    const mode = Object.entries(Mode).find(([, number]) => number === (context.proxy.interceptionMode ?? 0))?.[0];
    return {
      metadata: parts.canonicalMetadata(context),
      spec: {
        securityContext: parts.gatewaySecurity(context),
        containers: [
          {
            name: PROXY,
            image: agent.proxyImage(context),
            ports: [parts.metricsPort],
            args: [
              ...['proxy', 'router', '--domain', `$(POD_NAMESPACE).svc.${proxy.clusterDomain}`],
              ...agent.flags(context),
            ],
            ...parts.when(!parts.isEmpty(proxy.lifecycle), { lifecycle: proxy.lifecycle }),
            securityContext: { runAsUser: 1337, runAsGroup: 1337 },
            env: agent.environment(context, mode ?? 'REDIRECT', workload.name),
            ...parts.pullPolicy(context),
            readinessProbe: parts.readinessProbe(
              proxy.readinessInitialDelaySeconds,
              proxy.readinessPeriodSeconds,
              proxy.readinessFailureThreshold,
            ),
            volumeMounts: agent.mounts(context, 'router'),
          },
        ],
        volumes: agent.volumes(context, 'router'),
        ...parts.pullSecrets(context),
      },
    };
  },
};
