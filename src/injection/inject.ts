import type { Problem } from '../config/problem.ts';
import { Report } from '../config/report.ts';
import { reserved } from '../istio/reserved-ports.ts';
import { objectKey } from '../object-key.ts';
import { own } from '../unknown.ts';
import { checkAnnotations } from './annotations.ts';
import { withBudget } from './budget.ts';
import { checkArguments, checkMounts, checkNames, checkVolumes } from './conflicts.ts';
import {
  followProxyUser,
  inStartingOrder,
  layUserContainers,
  nativeSidecar,
  whereExpected,
  whereInjected,
  withoutAddedPolicy,
} from './containers.ts';
import { jsonPatch, type PatchOperation } from './json-patch.ts';
import {
  annotation,
  annotationPath,
  annotationsOf,
  changeContainer,
  findContainer,
  labelsOf,
  type Pod,
  PROXY,
  type StringMap,
  sidecarContainers,
  withMeta,
  withoutNulls,
  withVariables,
} from './pod.ts';
import { withProbesThroughProxy } from './probes.ts';
import { withMergedMetrics, withSecureMetrics } from './prometheus.ts';
import { effectiveProxyConfig } from './proxy-config.ts';
import { skipReason } from './selection.ts';
import type { InjectionSettings } from './settings.ts';
import { checkShape, MOST } from './shape.ts';
import { PROXY_IMAGE, STATUS, statusText } from './status.ts';
import { strategicMerge } from './strategic-merge.ts';
import type { Template, TemplateContext } from './template.ts';
import { uninject } from './uninject.ts';
import { type Workload, workloadOf } from './workload.ts';

/** What becomes of a pod. */
export type Injection =
  | {
      readonly kind: 'inject';
      readonly pod: Pod;
      /** What makes the injected pod of the one that was given. */
      readonly patch: readonly PatchOperation[];
      /** Warnings. */
      readonly problems: readonly Problem[];
    }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly problems: readonly Problem[] };

/** What of a pod's surroundings it does not say itself. */
export interface Surroundings {
  /** Where it is made: of an AdmissionReview, that of the request. */
  readonly namespace: string;
  /** What it belongs to; told from its owner where this is not known. */
  readonly workload?: Workload | undefined;
  /** Whether its node can run native sidecars. */
  readonly native: boolean;
  /** Environment that the address of the webhook asks for: `{ISTIO_META_CLUSTER_ID: "east"}`. */
  readonly environment?: StringMap;
  /**
   * Somebody asks for this very object. What says whether it is in a namespace of Kubernetes' own is then the pod or template itself, not the workload, which
   * may be anywhere (inject.go IntoObject).
   */
  readonly byHand?: boolean;
}

/** Why a pod is left alone; undefined where it is injected. */
const skipped = (pod: Pod, settings: InjectionSettings, { namespace, byHand }: Surroundings): string | undefined =>
  skipReason(pod, byHand ? (pod.metadata?.namespace ?? '') : namespace, settings);

const CLUSTER = 'ISTIO_META_CLUSTER_ID';
const NETWORK = 'ISTIO_META_NETWORK';
const NETWORK_LABEL = 'topology.istio.io/network';
const TEMPLATES = 'inject.istio.io/templates';

/** Names to try for a pod in messages: one that a controller makes has no name yet. */
const nameOf = ({ metadata }: Pod): string =>
  metadata?.name || (metadata?.generateName ? `${metadata.generateName}*` : '(no name)');

/** Injects a pod if it is to be injected. Injecting what is injected already gives the same (webhook.go injectPod). */
export function injectPod(pod: Pod, settings: InjectionSettings, where: Surroundings): Injection {
  const report = new Report(objectKey('Pod', where.namespace, nameOf(pod)));
  checkShape(pod, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };
  const reason = skipped(pod, settings, where);
  return reason === undefined ? inject(pod, settings, where, report) : { kind: 'skip', reason };
}

function inject(pod: Pod, settings: InjectionSettings, where: Surroundings, report: Report): Injection {
  const { mesh } = settings;
  checkAnnotations(pod, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };
  const written = withoutAddedPolicy(uninject(withoutNulls(pod), where.workload?.name));
  // It may be another pod than the one that was looked at: what an earlier injection changed is in annotations.
  checkShape(written, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };
  const reason = skipped(written, settings, where);
  if (reason !== undefined) return { kind: 'skip', reason };
  checkAnnotations(written, report);
  checkSystem(written, report);
  const templates = requested(written, settings, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };

  const original = whereExpected(written, nativeSidecar(written, where.native));
  const context = contextOf(original, settings, where);
  const patches = templates.map(template => template.patch(context));
  const added = patches.reduce<Pod>((all, patch) => strategicMerge(all, patch) as Pod, {});
  const own = whereInjected(original, added);
  checkVolumes(own, added, report);
  const merged = patches.reduce<Pod>((all, patch) => strategicMerge(all, patch) as Pod, own);
  const laid = followProxyUser(layUserContainers(merged, own, added), original, context);
  checkNames(laid, added, report);
  checkMounts(laid, added, report);
  checkShape(laid, report, 2 * MOST.items);
  const served = withMergedMetrics(withEnvironment(laid, environmentOf(original, settings, where)), mesh, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };

  const asked = withProbesThroughProxy(withSecureMetrics(served), settings);
  const finished = templates.reduce(
    (all, { finish }) => (finish ? changeContainer(all, PROXY, proxy => finish(proxy, context, asked)) : all),
    asked,
  );
  const notes = { ...annotationsOf(finished), ...settings.injectedAnnotations };
  checkArguments(finished, report);
  if (hasErrors(report)) return { kind: 'refuse', problems: report.problems };
  const noted = withMeta(finished, { annotations: { ...imageSaid(finished, templates), ...notes } });
  const ordered = withBudget(inStartingOrder(noted, context), original);
  const status = statusText(original, ordered, added, settings.revision);
  const result = withMeta(ordered, { annotations: { ...annotationsOf(ordered), [STATUS]: status } });
  warnOfDns(pod, report);
  warnOfOwn(original, report);
  for (const template of templates) template.warn?.(context, report);
  return { kind: 'inject', pod: result, patch: jsonPatch(pod, result), problems: report.problems };
}

/** Which image the proxy has, where it is none of Istio's settings: by that `istioctl analyze` tells it from one that is out of date (IST0158). */
function imageSaid(pod: Pod, templates: readonly Template[]): { readonly [PROXY_IMAGE]?: string } {
  const image = templates.some(({ otherImage }) => otherImage) ? findContainer(pod, PROXY)?.image : undefined;
  return image === undefined ? {} : { [PROXY_IMAGE]: image };
}

/** Nothing of a sidecar runs where Windows does. */
function checkSystem({ spec }: Pod, report: Report): void {
  if (spec?.os?.name === 'windows')
    report.error('spec.os.name', 'a sidecar needs Linux; give the pod the label sidecar.istio.io/inject=false');
}

const hasErrors = ({ problems }: Report): boolean => problems.some(({ severity }) => severity === 'error');

/** Each is merged into the whole pod. */
const MOST_TEMPLATES = 20;

/** The templates that the pod names, else those of the settings; aliases stand for several. */
function requested(pod: Pod, settings: InjectionSettings, report: Report): readonly Template[] {
  const named = annotation(pod, TEMPLATES);
  const names = named === undefined ? settings.defaultTemplates : named.split(',').map(name => name.trim());
  const path = named === undefined ? '' : annotationPath(TEMPLATES);
  if (names.length > MOST_TEMPLATES) {
    report.error(path, `${names.length} templates; expected at most ${MOST_TEMPLATES}`);
    return [];
  }
  return names
    .flatMap(name => own(settings.aliases, name) ?? [name])
    .flatMap(name => {
      const template = settings.templates.get(name);
      const unusable = settings.unusable.get(name);
      if (unusable !== undefined) report.error(path, `template '${name}': ${unusable}`);
      else if (!template) {
        const known = [...Object.keys(settings.aliases), ...settings.templates.keys()].sort().join(', ');
        report.error(path, `there is no template '${name}'; there are ${known}`);
      }
      return template && unusable === undefined ? [template] : [];
    });
}

/** The image of the proxy that a pod would be given; undefined where templates say that are not built in, or none can be found. */
export function proxyImage(pod: Pod, settings: InjectionSettings, namespace: string): string | undefined {
  const report = new Report(objectKey('Pod', namespace, nameOf(pod)));
  const templates = requested(pod, settings, report);
  if (hasErrors(report) || templates.some(({ image }) => !image)) return undefined;
  return templates.at(-1)?.image?.(contextOf(pod, settings, { namespace, native: false }));
}

function contextOf(pod: Pod, settings: InjectionSettings, where: Surroundings): TemplateContext {
  const { mesh, values, revision, compliancePolicy } = settings;
  return {
    pod,
    workload: where.workload ?? workloadOf(pod, where.namespace),
    proxy: effectiveProxyConfig(pod, where.namespace, mesh, settings.proxyConfigs),
    mesh,
    values,
    revision,
    native: nativeSidecar(pod, where.native),
    compliancePolicy,
  };
}

/** Cluster and network, as the pod's label, the webhook's address and the values say, in this order; and what else the address asks for. */
function environmentOf(pod: Pod, { values }: InjectionSettings, { environment = {} }: Surroundings): StringMap {
  const cluster = environment[CLUSTER] || values.global.multiCluster.clusterName;
  const network = own(labelsOf(pod), NETWORK_LABEL) ?? (environment[NETWORK] || values.global.network);
  return { ...environment, ...(cluster && { [CLUSTER]: cluster }), ...(network && { [NETWORK]: network }) };
}

/** These variables in the place of the proxy's own of the same names, and the label of the network. */
function withEnvironment(pod: Pod, environment: StringMap): Pod {
  const network = own(environment, NETWORK);
  const labelled =
    network === undefined ? pod : withMeta(pod, { labels: { ...labelsOf(pod), [NETWORK_LABEL]: network } });
  const names = Object.keys(environment).sort();
  return withVariables(
    labelled,
    names.map(name => ({ name, value: environment[name] ?? '' })),
  );
}

/** The user of the proxy, by whom its traffic is told from the app's. */
const PROXY_USER = 1337;

/** Warns of what the app has that is the proxy's: its user, whose traffic is not captured, and its ports. */
function warnOfOwn(pod: Pod, report: Report): void {
  const user = findContainer(pod, PROXY)?.securityContext?.runAsUser ?? PROXY_USER;
  for (const list of ['initContainers', 'containers'] as const)
    for (const [i, { name, securityContext, ports = [] }] of (pod.spec?.[list] ?? []).entries()) {
      if (sidecarContainers.includes(name)) continue;
      const at = `spec.${list}[${i}]`;
      if ((securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser) === user)
        report.warning(`${at}.securityContext.runAsUser`, `${user} is the proxy's user: its traffic is not captured`);
      for (const [j, { containerPort }] of ports.entries()) {
        const fault = reserved(containerPort);
        if (fault) report.warning(`${at}.ports[${j}].containerPort`, fault);
      }
    }
}

function warnOfDns(pod: Pod, report: Report): void {
  const policy = pod.spec?.dnsPolicy;
  if (policy && policy !== 'ClusterFirst')
    report.warning('spec.dnsPolicy', `with ${policy} the proxy may not find the control plane; expected ClusterFirst`);
}
