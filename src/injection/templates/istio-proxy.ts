import { annotation, type JsonObject, labelsOf, own, PROXY } from '../pod.ts';
import type { Template, TemplateContext } from '../template.ts';
import * as agent from './agent.ts';
import { networksWith } from './multus.ts';
import * as parts from './parts.ts';

const { when } = parts;

/**
 * Istio's own sidecar: its image, with its agent beside Envoy (manifests/charts/istio-control/istio-discovery/files/injection-template.yaml).
 * What it adds is what `istioctl kube-inject` adds.
 */
export const istioProxy: Template = {
  name: 'istio-proxy',
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
    ports: [agent.metricsPort],
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
    ...agent.pullPolicy(context),
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
  name: 'istio-init',
  ...iptables(context, context.values.global.proxy_init.forceApplyIptables ? ['--force-apply'] : []),
  securityContext: parts.captureSecurity(context),
});

/** With Istio's CNI plugin: the init container that checks that the plugin did so. */
function validation(context: TemplateContext): JsonObject {
  const { proxy } = context.values.global;
  return {
    name: 'istio-validation',
    ...iptables(context, ['--run-validation', '--skip-rule-apply']),
    securityContext: {
      allowPrivilegeEscalation: proxy.privileged,
      privileged: proxy.privileged,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsGroup: 1337,
      runAsUser: 1337,
      runAsNonRoot: true,
      ...parts.seccomp(context.values),
    },
  };
}

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
    ...agent.pullPolicy(context),
    ...when(metadata.length, { env: metadata }),
    resources: parts.resourcesOf(context),
  };
}

function metadata(context: TemplateContext): JsonObject {
  const { pod, proxy } = context;
  const { labels, annotations } = parts.canonicalMetadata(context);
  const label = (name: string, standard: string) => ({ [name]: own(labelsOf(pod), name) || standard });
  return {
    labels: {
      ...label('security.istio.io/tlsMode', 'istio'),
      ...when(proxy.proxyMetadata?.['ISTIO_META_ENABLE_HBONE'] === 'true', label('networking.istio.io/tunnel', 'http')),
      ...labels,
      'service.istio.io/canonical-name': parts.asLabel(labels['service.istio.io/canonical-name'] ?? ''),
    },
    annotations: { ...annotations, ...(context.values.pilot.cni.enabled && forCni(context)) },
  };
}

/** Istio's CNI plugin reads from annotations what istio-init reads from arguments. */
function forCni(context: TemplateContext): { readonly [name: string]: string } {
  const { pod, values } = context;
  const { proxy } = values.global;
  const traffic = (name: string, value: string) => {
    const full = `traffic.sidecar.istio.io/${name}`;
    return { [full]: parts.setting(context, full, value) };
  };
  const whenSet = (name: string, value: string) =>
    when(annotation(pod, `traffic.sidecar.istio.io/${name}`) !== undefined || value !== '', traffic(name, value));
  const given = (name: string) => when(annotation(pod, name), { [name]: annotation(pod, name) ?? '' });
  const networks = 'k8s.v1.cni.cncf.io/networks';
  return {
    ...when(values.pilot.cni.provider === 'multus', {
      [networks]: networksWith(annotation(pod, networks) ?? '', 'default/istio-cni'),
    }),
    'sidecar.istio.io/interceptionMode': parts.interceptionOf(context),
    ...Object.fromEntries(
      Object.entries({
        ...traffic('includeOutboundIPRanges', proxy.includeIPRanges),
        ...traffic('excludeOutboundIPRanges', proxy.excludeIPRanges),
      }).filter(([, value]) => value),
    ),
    ...traffic('includeInboundPorts', proxy.includeInboundPorts),
    'traffic.sidecar.istio.io/excludeInboundPorts': parts.excludedInbound(context),
    ...whenSet('includeOutboundPorts', proxy.includeOutboundPorts),
    ...whenSet('excludeOutboundPorts', proxy.excludeOutboundPorts),
    ...given('traffic.sidecar.istio.io/kubevirtInterfaces'),
    ...given('istio.io/reroute-virtual-interfaces'),
    ...given('traffic.sidecar.istio.io/excludeInterfaces'),
  } as { readonly [name: string]: string };
}
