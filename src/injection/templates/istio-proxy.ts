import { CAPTURE, type JsonObject, labelsOf, own, PROXY, VALIDATION } from '../pod.ts';
import type { Template, TemplateContext } from '../template.ts';
import * as agent from './agent.ts';
import { metadata } from './metadata.ts';
import * as parts from './parts.ts';

const { when } = parts;

/**
 * Istio's own sidecar: its image, with its agent beside Envoy (manifests/charts/istio-control/istio-discovery/files/injection-template.yaml).
 * What it adds is what `istioctl kube-inject` adds.
 */
export const istioProxy: Template = {
  name: 'istio-proxy',
  image: agent.proxyImage,
  patch(context) {
    const { values, native } = context;
    const captured = parts.interceptionOf(context) !== 'NONE';
    const init = captured ? [values.pilot.cni.enabled ? validation(context) : capture(context)] : [];
    const proxy = sidecar(context);
    return {
      metadata: metadata(context),
      spec: {
        initContainers: native ? [...init, { ...proxy, restartPolicy: 'Always' }] : init,
        ...when(!native, { containers: [proxy] }),
        volumes: [
          ...agent.volumes(context, 'sidecar'),
          ...parts.jsonEntries(context, 'sidecar.istio.io/userVolume').map(([name, volume]) => ({ name, ...volume })),
        ],
        ...parts.pullSecrets(context),
      },
    };
  },
};

function sidecar(context: TemplateContext): JsonObject {
  const { values, mesh, pod, workload } = context;
  const { proxy } = values.global;
  return {
    name: PROXY,
    image: agent.proxyImage(context),
    ports: [parts.metricsPort],
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
        parts.interceptionOf(context),
        own(labelsOf(pod), 'service.istio.io/workload-name') || workload.name,
        agent.tracing(context),
      ),
    ],
    ...parts.pullPolicy(context),
    ...parts.healthProbes(context),
    securityContext: parts.proxySecurity(context),
    resources: parts.resourcesOf(context),
    volumeMounts: [
      ...agent.mounts(context, 'sidecar'),
      ...parts.jsonEntries(context, 'sidecar.istio.io/userVolumeMount').map(([name, mount]) => ({ name, ...mount })),
    ],
  };
}

/** What the agent does when the container begins and ends. */
function lifecycle(context: TemplateContext): JsonObject {
  const { proxy } = context.values.global;
  if (!parts.isEmpty(proxy.lifecycle)) return { lifecycle: proxy.lifecycle };
  const run = (...command: readonly string[]) => ({ exec: { command } });
  if (parts.holds(context)) return { lifecycle: { postStart: run('pilot-agent', 'wait') } };
  // It is told to drain when the pod begins to end; it is itself ended after the app.
  const port = parts.setting(context, 'status.sidecar.istio.io/port', proxy.statusPort);
  return when(context.native, {
    lifecycle: { preStop: run('pilot-agent', 'request', `--debug-port=${port}`, 'POST', 'drain') },
  });
}

/** The init container that has traffic go through the proxy. */
const capture = (context: TemplateContext): JsonObject => ({
  name: CAPTURE,
  ...iptables(context, context.values.global.proxy_init.forceApplyIptables ? ['--force-apply'] : []),
  securityContext: parts.captureSecurity(context),
});

/** With Istio's CNI plugin: the init container that checks that the plugin did so. */
const validation = (context: TemplateContext): JsonObject => ({
  name: VALIDATION,
  ...iptables(context, ['--run-validation', '--skip-rule-apply']),
  securityContext: parts.validationSecurity(context),
});

function iptables(context: TemplateContext, last: readonly string[]): JsonObject {
  const { global } = context.values;
  const metadata = parts.proxyMetadata(context);
  return {
    image: agent.initImage(context),
    args: [
      'istio-iptables',
      ...parts.captureArguments(context),
      agent.agentLogLevel(context),
      ...(global.logAsJson ? ['--log_as_json'] : []),
      ...last,
      ...(global.nativeNftables ? ['--native-nftables'] : []),
    ],
    ...parts.pullPolicy(context),
    ...when(metadata.length, { env: metadata }),
    resources: parts.resourcesOf(context),
  };
}
