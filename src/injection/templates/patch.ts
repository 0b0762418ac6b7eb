import type { JsonObject } from '../../unknown.ts';
import type { TemplateContext } from '../template.ts';
import { canonicalMetadata, metadata } from './metadata.ts';
import { isEmpty, when } from './proxy-container.ts';

/** What a template adds to a pod. */
interface Added {
  readonly proxy: JsonObject;
  readonly volumes: readonly JsonObject[];
}

/** The patch of a sidecar: the containers before it, and itself among them where it is native, else beside the app. */
export const sidecarPatch = (
  context: TemplateContext,
  { init, proxy, volumes, native }: Added & { readonly init: readonly JsonObject[]; readonly native: boolean },
): JsonObject => ({
  metadata: metadata(context),
  spec: {
    initContainers: native ? [...init, { ...proxy, restartPolicy: 'Always' }] : init,
    ...when(!native, { containers: [proxy] }),
    volumes,
    ...pullSecrets(context),
  },
});

/** The patch of a gateway, for Deployments whose container `istio-proxy` has the image `auto`. */
export const gatewayPatch = (context: TemplateContext, { proxy, volumes }: Added): JsonObject => ({
  metadata: canonicalMetadata(context),
  spec: {
    securityContext: gatewaySecurity(context),
    containers: [proxy],
    volumes,
    ...pullSecrets(context),
  },
});

/** A gateway may listen on ports below 1024. */
const gatewaySecurity = ({ values: { gateways } }: TemplateContext): JsonObject =>
  isEmpty(gateways.securityContext)
    ? { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }
    : gateways.securityContext;

const pullSecrets = ({ values }: TemplateContext) =>
  when(values.global.imagePullSecrets.length, {
    imagePullSecrets: values.global.imagePullSecrets.map(name => ({ name })),
  });
