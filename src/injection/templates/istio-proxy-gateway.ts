import { PROXY } from '../pod.ts';
import type { Template } from '../template.ts';
import * as agent from './agent.ts';
import { gatewayPatch } from './patch.ts';
import * as container from './proxy-container.ts';

/** Istio's own gateway: its image as a router (gateway-injection-template.yaml). */
export const istioProxyGateway: Template = {
  name: 'istio-proxy-gateway',
  image: agent.proxyImage,
  patch(context) {
    const { values, workload } = context;
    const { proxy } = values.global;
    return gatewayPatch(context, {
      proxy: {
        name: PROXY,
        image: agent.proxyImage(context),
        ports: [container.metricsPort],
        args: [
          ...['proxy', 'router', '--domain', `$(POD_NAMESPACE).svc.${proxy.clusterDomain}`],
          ...agent.flags(context),
        ],
        ...container.when(!container.isEmpty(proxy.lifecycle), { lifecycle: proxy.lifecycle }),
        securityContext: { runAsUser: 1337, runAsGroup: 1337 },
        env: agent.environment(context, container.interceptionIn(context), workload.name),
        ...container.pullPolicy(context),
        readinessProbe: container.readinessProbe(proxy),
        volumeMounts: agent.mounts(context, 'router'),
      },
      volumes: agent.volumes(context, 'router'),
    });
  },
};
