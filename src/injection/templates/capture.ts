import type { JsonObject } from '../../unknown.ts';
import { annotation, CAPTURE, VALIDATION } from '../pod.ts';
import type { TemplateContext } from '../template.ts';
import { interceptionOf, proxyMetadata, pullPolicy, resourcesOf, seccomp, setting, when } from './proxy-container.ts';

/** The capture of a pod's traffic: the init container that has it go through the proxy, and what that is told. */

/** The init container of such an image and arguments; with Istio's CNI plugin it checks what the plugin did. None where nothing is captured. */
export function captureContainers(
  context: TemplateContext,
  image: string,
  args: readonly string[],
): readonly JsonObject[] {
  if (interceptionOf(context) === 'NONE') return [];
  const env = proxyMetadata(context);
  const { enabled } = context.values.pilot.cni;
  return [
    {
      name: enabled ? VALIDATION : CAPTURE,
      image,
      args,
      ...pullPolicy(context),
      ...when(env.length, { env }),
      resources: resourcesOf(context),
      securityContext: enabled ? validationSecurity(context) : captureSecurity(context),
    },
  ];
}

/** Ends the arguments of one that checks. */
export const validationArguments = ({ values }: TemplateContext): readonly string[] =>
  values.pilot.cni.enabled ? ['--run-validation', '--skip-rule-apply'] : [];

/** A list of ports with one more; 0 is none. */
function withPort(list: string, port: string): string {
  const wanted = port.trim();
  const ports = list.split(',');
  if (!wanted || wanted === '0' || ports.includes(wanted)) return list;
  return [...ports.map(known => known.trim()).filter(Boolean), wanted].join(',');
}

/** Ports whose inbound traffic is not captured: the user's and the one that the kubelet's probes go to. */
export const excludedInbound = (context: TemplateContext): string =>
  withPort(
    setting(context, 'traffic.sidecar.istio.io/excludeInboundPorts', context.values.global.proxy.excludeInboundPorts),
    setting(context, 'status.sidecar.istio.io/port', context.values.global.proxy.statusPort),
  );

/** What is captured, as arguments of istio-iptables; `pilotlight iptables` has the same ones. `own`: other ports of the proxy that are not. */
export function captureArguments(context: TemplateContext, own: readonly string[] = []): readonly string[] {
  const { mesh, values, pod } = context;
  const { proxy } = values.global;
  const excluded = own.reduce(withPort, excludedInbound(context));
  const outbound = (name: string, value: string): string | undefined =>
    annotation(pod, name) ?? (value === '' ? undefined : value);
  const option = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return [
    ...['-p', String(mesh.proxyListenPort || 15001), '-z', String(mesh.proxyInboundListenPort || 15006)],
    ...['-u', '1337', '-m', interceptionOf(context)],
    ...['-i', setting(context, 'traffic.sidecar.istio.io/includeOutboundIPRanges', proxy.includeIPRanges)],
    ...['-x', setting(context, 'traffic.sidecar.istio.io/excludeOutboundIPRanges', proxy.excludeIPRanges)],
    ...['-b', setting(context, 'traffic.sidecar.istio.io/includeInboundPorts', proxy.includeInboundPorts)],
    ...['-d', ['15090', '15021', ...(excluded ? [excluded] : [])].join(',')],
    ...option('-q', outbound('traffic.sidecar.istio.io/includeOutboundPorts', proxy.includeOutboundPorts)),
    ...option('-o', outbound('traffic.sidecar.istio.io/excludeOutboundPorts', proxy.excludeOutboundPorts)),
    ...option(
      '-k',
      annotation(pod, 'istio.io/reroute-virtual-interfaces') ??
        annotation(pod, 'traffic.sidecar.istio.io/kubevirtInterfaces'),
    ),
    ...option('-c', annotation(pod, 'traffic.sidecar.istio.io/excludeInterfaces')),
  ];
}

/** It may change the rules of its network, as root, and nothing else. */
const captureSecurity = ({ values }: TemplateContext) => ({
  allowPrivilegeEscalation: values.global.proxy.privileged,
  privileged: values.global.proxy.privileged,
  capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
  readOnlyRootFilesystem: false,
  runAsGroup: 0,
  runAsNonRoot: false,
  runAsUser: 0,
  ...seccomp(values),
});

/** It may nothing: it tries the rules as the proxy would. */
const validationSecurity = ({ values }: TemplateContext) => ({
  allowPrivilegeEscalation: values.global.proxy.privileged,
  privileged: values.global.proxy.privileged,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsGroup: 1337,
  runAsUser: 1337,
  runAsNonRoot: true,
  ...seccomp(values),
});
