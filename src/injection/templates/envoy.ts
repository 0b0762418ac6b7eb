import { milliseconds } from '../../config/duration.ts';
import type { JsonObject } from '../../unknown.ts';
import { annotation, PROXY } from '../pod.ts';
import { PROXY_IMAGE } from '../status.ts';
import type { Template, TemplateContext } from '../template.ts';
import { warnOfAgentOnly } from './agent-only.ts';
import { captureArguments, captureContainers, validationArguments } from './capture.ts';
import { mounts, statusPorts, withBootstrap } from './envoy-bootstrap.ts';
import { gatewayPatch, sidecarPatch } from './patch.ts';
import * as container from './proxy-container.ts';
import { bootstrapOverrides, rootsVolume, tokenVolume, userMounts, userVolumes } from './volumes.ts';

const { fromPod, fromLimits, when, readinessProbe } = container;

/**
 * Upstream Envoy as the sidecar, without an agent: its bootstrap is an argument, certificates come over ADS, and what an agent would answer Envoy
 * answers itself. What is known only when the pod runs, its name and addresses, the kubelet writes into the argument (`$(POD_NAME)`), so that an image
 * without a shell will do, and no init container or volume is needed for it.
 */
export const envoy: Template = {
  name: 'envoy',
  image,
  otherImage: true,
  patch(context) {
    // Nothing in Envoy's image could make the app wait: where it is to, the sidecar goes before it.
    const native = context.native || (container.holds(context) && container.appContainers(context).length > 0);
    const proxy = { ...sidecar(context, 'sidecar'), ...lifecycle(context, native), ...container.healthProbes(context) };
    return sidecarPatch(context, { init: capture(context), proxy, volumes: volumes(context), native });
  },
  warn: warnOfAgentOnly,
  finish: (proxy, context, pod) => withBootstrap(proxy, context, pod, 'sidecar'),
};

/** Upstream Envoy as a gateway, for Deployments whose container `istio-proxy` has the image `auto`. */
export const envoyGateway: Template = {
  name: 'envoy-gateway',
  image,
  otherImage: true,
  patch(context) {
    const proxy = {
      ...sidecar(context, 'router'),
      ...lifecycle(context, false),
      readinessProbe: readinessProbe(context.values.global.proxy),
    };
    return gatewayPatch(context, { proxy, volumes: volumes(context) });
  },
  warn: warnOfAgentOnly,
  finish: (proxy, context, pod) => withBootstrap(proxy, context, pod, 'router'),
};

type Type = 'sidecar' | 'router';

function image({ values, pod }: TemplateContext): string {
  const own = annotation(pod, PROXY_IMAGE);
  return own?.includes('/') ? own : values.pilotlight.envoyImage;
}

function sidecar(context: TemplateContext, type: Type): JsonObject {
  const { proxy } = context;
  const seconds = Math.round(milliseconds(proxy.drainDuration ?? {}) / 1000);
  const threads = proxy.concurrency ? String(proxy.concurrency.value ?? 0) : '$(ISTIO_CPU_LIMIT)';
  return {
    name: PROXY,
    image: image(context),
    command: ['/usr/local/bin/envoy'],
    args: [
      ...overrides(context).flatMap(({ file }) => ['-c', file]),
      ...logFlags(context),
      ...(threads === '0' ? [] : ['--concurrency', threads]),
      // So that a call is in the log after a second, as with Istio, not after Envoy's ten.
      ...['--file-flush-interval-msec', String(milliseconds(proxy.fileFlushInterval ?? { seconds: 1 }))],
      ...(proxy.fileFlushMinSizeKb ? ['--file-flush-min-size-kb', String(proxy.fileFlushMinSizeKb)] : []),
      ...['--drain-time-s', String(seconds), '--drain-strategy', 'immediate', '--disable-hot-restart'],
    ],
    ports: [container.metricsPort],
    env: environment(context, type),
    ...container.pullPolicy(context),
    securityContext: type === 'sidecar' ? container.proxySecurity(context) : { runAsUser: 1337, runAsGroup: 1337 },
    resources: container.resourcesOf(context),
    volumeMounts: [
      { name: 'istio-token', mountPath: mounts.token },
      { name: 'istiod-ca-cert', mountPath: mounts.roots },
      ...overrides(context).map(({ mount }) => mount),
      ...userMounts(context),
    ],
  };
}

/** Ours is laid over it. */
const overrides = (context: TemplateContext) => bootstrapOverrides(context, 'custom_bootstrap.yaml');

/** How loud Envoy is: a level, and levels by component, which may stand beside it (istio: envoy.splitComponentLog). */
function logFlags(context: TemplateContext): readonly string[] {
  const { logLevel, componentLogLevel } = context.values.global.proxy;
  const items = container.setting(context, 'sidecar.istio.io/logLevel', logLevel).split(',');
  const level = items.filter(item => !item.includes(':')).at(-1);
  const beside = items.filter(item => item.includes(':')).join(',');
  const components = beside || container.setting(context, 'sidecar.istio.io/componentLogLevel', componentLogLevel);
  return [...(level ? ['--log-level', level] : []), ...(components ? ['--component-log-level', components] : [])];
}

/** What the bootstrap names as `$(NAME)`. */
function environment(context: TemplateContext, type: Type): readonly JsonObject[] {
  const interception = type === 'sidecar' ? container.interceptionOf(context) : 'REDIRECT';
  return [
    fromPod('POD_NAME', 'metadata.name'),
    fromPod('POD_NAMESPACE', 'metadata.namespace'),
    fromPod('INSTANCE_IP', 'status.podIP'),
    fromPod('INSTANCE_IPS', 'status.podIPs'),
    fromPod('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    fromLimits('ISTIO_CPU_LIMIT', 'limits.cpu'),
    ...container.nodeVariables(context, interception, container.workloadName(context)),
    ...container.optional('ISTIO_META_MESH_ID', container.meshId(context)),
    ...container.proxyMetadata(context),
  ];
}

/** Envoy goes on for a while when the pod ends, so that nobody who has not heard of it yet is sent away. A native sidecar ends after the app anyway. */
function lifecycle(context: TemplateContext, native: boolean): JsonObject {
  const own = context.values.global.proxy.lifecycle;
  if (!container.isEmpty(own)) return { lifecycle: own };
  const wanted = Math.round(milliseconds(context.proxy.terminationDrainDuration ?? {}) / 1000);
  // It cannot take longer than the pod has to end, which is 30 s where it does not say.
  const seconds = Math.min(wanted, context.pod.spec?.terminationGracePeriodSeconds ?? 30);
  return when(!native && seconds, { lifecycle: { preStop: { sleep: { seconds } } } });
}

const volumes = (context: TemplateContext): readonly JsonObject[] => [
  tokenVolume(context),
  rootsVolume(context),
  ...overrides(context).map(({ volume }) => volume),
  ...userVolumes(context),
];

/** The init container of our own image. */
const capture = (context: TemplateContext): readonly JsonObject[] =>
  captureContainers(context, context.values.pilotlight.image, [
    'iptables',
    ...captureArguments(context, statusPorts(context).map(String)),
    ...validationArguments(context),
  ]);
