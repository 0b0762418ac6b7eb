import type { JsonObject } from '../../unknown.ts';
import { PROXY } from '../pod.ts';
import type { Template, TemplateContext } from '../template.ts';
import * as agent from './agent.ts';
import { captureArguments, captureContainers, validationArguments } from './capture.ts';
import { sidecarPatch } from './patch.ts';
import * as container from './proxy-container.ts';
import { userMounts, userVolumes } from './volumes.ts';

/**
 * Istio's own sidecar: its image, with its agent beside Envoy (manifests/charts/istio-control/istio-discovery/files/injection-template.yaml).
 * What it adds is what `istioctl kube-inject` adds.
 */
export const istioProxy: Template = {
  name: 'istio-proxy',
  image: agent.proxyImage,
  patch: context =>
    sidecarPatch(context, {
      init: capture(context),
      proxy: sidecar(context),
      volumes: [...agent.volumes(context, 'sidecar'), ...userVolumes(context)],
      native: context.native,
    }),
};

function sidecar(context: TemplateContext): JsonObject {
  const { values, mesh } = context;
  const { proxy } = values.global;
  return {
    name: PROXY,
    image: agent.proxyImage(context),
    ports: [container.metricsPort],
    args: [
      ...['proxy', 'sidecar', '--domain', `$(POD_NAMESPACE).svc.${proxy.clusterDomain}`],
      ...agent.flags(context),
      ...(proxy.outlierLogPath ? [`--outlierLogPath=${proxy.outlierLogPath}`] : []),
    ],
    ...lifecycle(context),
    env: [
      ...agent.probesAtLocalhost(mesh),
      ...agent.environment(
        context,
        container.interceptionOf(context),
        container.workloadName(context),
        agent.tracing(context),
      ),
    ],
    ...container.pullPolicy(context),
    ...container.healthProbes(context),
    securityContext: container.proxySecurity(context),
    resources: container.resourcesOf(context),
    volumeMounts: [...agent.mounts(context, 'sidecar'), ...userMounts(context)],
  };
}

/** What the agent does when the container begins and ends. */
function lifecycle(context: TemplateContext): JsonObject {
  const { proxy } = context.values.global;
  if (!container.isEmpty(proxy.lifecycle)) return { lifecycle: proxy.lifecycle };
  const run = (...command: readonly string[]) => ({ exec: { command } });
  if (container.holds(context)) return { lifecycle: { postStart: run('pilot-agent', 'wait') } };
  // It is told to drain when the pod begins to end; it is itself ended after the app.
  const port = container.setting(context, 'status.sidecar.istio.io/port', proxy.statusPort);
  return container.when(context.native, {
    lifecycle: { preStop: run('pilot-agent', 'request', `--debug-port=${port}`, 'POST', 'drain') },
  });
}

/** The init container, of Istio's image too. */
function capture(context: TemplateContext): readonly JsonObject[] {
  const { global, pilot } = context.values;
  return captureContainers(context, agent.initImage(context), [
    'istio-iptables',
    ...captureArguments(context),
    agent.agentLogLevel(context),
    ...(global.logAsJson ? ['--log_as_json'] : []),
    ...validationArguments(context),
    ...(global.proxy_init.forceApplyIptables && !pilot.cni.enabled ? ['--force-apply'] : []),
    ...(global.nativeNftables ? ['--native-nftables'] : []),
  ]);
}
