import { entry } from '../config/report.ts';
import { isObject, type Json, type JsonObject, own } from '../unknown.ts';

/** What of a pod injection reads and writes. Every other field is passed on as it is. */
export interface Pod extends JsonObject {
  readonly metadata?: PodMeta;
  readonly spec?: PodSpec;
}

/** Names of things by which tools find them. */
export type StringMap = { readonly [name: string]: string };

export interface PodMeta extends JsonObject {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: StringMap;
  readonly annotations?: StringMap;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference extends JsonObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly controller?: boolean;
}

export interface PodSpec extends JsonObject {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Named[];
  readonly imagePullSecrets?: readonly Named[];
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
  readonly dnsPolicy?: string;
  readonly securityContext?: SecurityContext;
  readonly terminationGracePeriodSeconds?: number;
  readonly os?: JsonObject & { readonly name?: string };
}

export interface Named extends JsonObject {
  readonly name: string;
}

export interface Container extends Named {
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly ContainerPort[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: {
    readonly preStop?: Handler;
    readonly postStart?: Handler;
    readonly [field: string]: Json | undefined;
  };
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly VolumeMount[];
  readonly restartPolicy?: string;
}

export interface EnvVar extends Named {
  readonly value?: string;
}

export interface ContainerPort extends JsonObject {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
}

export interface VolumeMount extends Named {
  readonly mountPath: string;
}

export interface SecurityContext extends JsonObject {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

/** How the kubelet asks a container something: of a probe, or of a step in its life. */
export interface Handler extends JsonObject {
  readonly httpGet?: HttpGet;
  readonly tcpSocket?: JsonObject & { readonly port: number | string };
  readonly grpc?: JsonObject & { readonly port: number; readonly service?: string };
}

export interface HttpGet extends JsonObject {
  readonly path?: string;
  readonly port: number | string;
  readonly scheme?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value?: string }[];
}

export interface Probe extends Handler {
  readonly timeoutSeconds?: number;
  readonly periodSeconds?: number;
}

/** The name of the container that is the proxy, in every template, as with Istio. */
export const PROXY = 'istio-proxy';

/** The init container that has traffic captured, and with Istio's CNI plugin the one that checks that it is. */
export const CAPTURE = 'istio-init';
export const VALIDATION = 'istio-validation';

/** The containers that a sidecar may have. */
export const sidecarContainers: readonly string[] = [PROXY, CAPTURE, VALIDATION];

/** Containers of a pod that run before, or beside, the others. */
export const initContainersOf = (pod: Pod): readonly Container[] => pod.spec?.initContainers ?? [];

export const containersOf = (pod: Pod): readonly Container[] => pod.spec?.containers ?? [];

/** Those of both lists; an ephemeral one comes when the pod is made already. */
export const allContainersOf = (pod: Pod): readonly Container[] => [...initContainersOf(pod), ...containersOf(pod)];

export const annotationsOf = (pod: Pod): StringMap => pod.metadata?.annotations ?? {};

export const labelsOf = (pod: Pod): StringMap => pod.metadata?.labels ?? {};

/** Where an annotation stands, for people. */
export const annotationPath = (name: string): string => entry('metadata.annotations', name);

/** The annotation, also where it is empty; undefined where there is none. */
export const annotation = (pod: Pod, name: string): string | undefined => own(annotationsOf(pod), name);

/** The entries of a map by name, as Go writes them. */
export const sortedEntries = <V>(map: { readonly [name: string]: V }): readonly (readonly [string, V])[] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

/** The first container of that name: as with istiod, one beside the app before one before it. */
export const findContainer = (pod: Pod, name: string): Container | undefined =>
  containersOf(pod).find(c => c.name === name) ?? initContainersOf(pod).find(c => c.name === name);

/** The pod with some fields of its spec changed; a list that becomes empty is left out where it was not there. */
export const withSpec = (pod: Pod, spec: Partial<PodSpec>): Pod => {
  const kept = Object.entries(spec).filter(
    ([field, value]) => !(Array.isArray(value) && value.length === 0 && pod.spec?.[field] === undefined),
  );
  return { ...pod, spec: { ...pod.spec, ...Object.fromEntries(kept) } };
};

export const withMeta = (pod: Pod, meta: Partial<PodMeta>): Pod => ({ ...pod, metadata: { ...pod.metadata, ...meta } });

/** The pod with the containers, of both lists, that `change` makes of those that it has. */
export const mapContainers = (pod: Pod, change: (container: Container) => Container): Pod =>
  withSpec(pod, {
    initContainers: initContainersOf(pod).map(change),
    containers: containersOf(pod).map(change),
  });

/** The pod with the first container of that name changed. */
export function changeContainer(pod: Pod, name: string, change: (container: Container) => Container): Pod {
  const list = containersOf(pod).some(c => c.name === name) ? 'containers' : 'initContainers';
  return withSpec(pod, { [list]: (pod.spec?.[list] ?? []).map(c => (c.name === name ? change(c) : c)) });
}

/** The value of a variable of the proxy's container, where that was injected. */
export const proxyVariable = (pod: Pod, name: string): string | undefined =>
  findContainer(pod, PROXY)?.env?.find(variable => variable.name === name)?.value;

/** The pod whose proxy has these variables, and no others of their names. */
export function withVariables(pod: Pod, variables: readonly EnvVar[]): Pod {
  if (!variables.length) return pod;
  const names = new Set(variables.map(({ name }) => name));
  return changeContainer(pod, PROXY, proxy => ({
    ...proxy,
    env: [...(proxy.env ?? []).filter(({ name }) => !names.has(name)), ...variables],
  }));
}

/** The value without the fields, at any depth, that are none to Kubernetes by this rule. */
function withoutFields<T extends Json>(value: T, isNone: (field: Json | undefined) => boolean): T {
  if (Array.isArray(value)) return value.map(item => withoutFields(item, isNone)) as unknown as T;
  if (!isObject(value)) return value;
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined && !isNone(inner));
  return Object.fromEntries(fields.map(([field, inner]) => [field, withoutFields(inner as Json, isNone)])) as T;
}

export const withoutNulls = <T extends Json>(value: T): T => withoutFields(value, field => field === null);
export const withoutEmptyTexts = <T extends Json>(value: T): T => withoutFields(value, field => field === '');
