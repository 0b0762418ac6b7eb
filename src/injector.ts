import { type Problem, problemLine } from './config/problem.ts';
import type { Answer, PageRequest, Pages } from './http/page.ts';
import { nativeSidecarsTold, runNativeSidecars } from './injection/native.ts';
import { type Restart, restartsAmong } from './injection/restarts.ts';
import { type Reviewed, type ReviewOutcome, review } from './injection/review.ts';
import { type InjectionSettings, inForce, readSettings } from './injection/settings.ts';
import { builtInTemplates } from './injection/templates/templates.ts';
import type { Webhook } from './injection/webhooks.ts';
import type { KubeNode } from './istio/kubernetes.ts';
import { inRevision } from './istio/revision.ts';
import type { Log } from './log/log.ts';
import { memo } from './memo.ts';
import type { MeshModel } from './model/mesh.ts';
import { objectKey } from './object-key.ts';
import { messageOf } from './unknown.ts';

/** Of the ConfigMap `istio-sidecar-injector[-REV]`: `config` and `values`; neither where there is no such ConfigMap. */
export interface InjectorTexts {
  readonly config?: string | undefined;
  readonly values?: string | undefined;
}

/** Follows the ConfigMap of that name in the control plane's namespace: its data, undefined where there is none. Resolves once it was looked up. */
export type FollowInjector = (
  name: string,
  heard: (data: Readonly<Record<string, unknown>> | undefined) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Follows the webhooks that bring pods to a revision, those of its tags too: all of them, whenever one changes. */
export type FollowWebhooks = (
  revision: string,
  heard: (webhooks: readonly Webhook[]) => void,
  signal: AbortSignal,
) => Promise<void>;

/** What the injector stands on. */
export interface InjectorContext {
  readonly revision: string;
  /** The namespace of the ConfigMap. */
  readonly rootNamespace: string;
  readonly mesh: () => MeshModel | undefined;
  /** The image of this control plane; undefined where that is not known. */
  readonly image: () => string | undefined;
  readonly log: Log;
  /** A review was answered, in so many seconds. */
  readonly onReview: (outcome: ReviewOutcome, seconds: number) => void;
}

export const injectorConfigMap = (revision: string): string => inRevision('istio-sidecar-injector', revision);

type Key = 'config' | 'values';
const keys: readonly Key[] = ['config', 'values'];

/**
 * Answers who makes pods. What is injected follows the ConfigMap, the mesh's settings and the nodes; of a key of the ConfigMap that is not valid the last
 * valid version stays in force. Until all of them are known pods are refused, not let through.
 */
export class Injector {
  readonly #context: InjectorContext;
  /** What is in force. */
  #texts: InjectorTexts | undefined;
  /** The last valid version of each key; undefined where it was not there. */
  readonly #valid = new Map<Key, string | undefined>();
  #problems: readonly Problem[] = [];
  #webhooks: readonly Webhook[] = [];

  constructor(context: InjectorContext) {
    this.#context = context;
  }

  /** What is wrong with the ConfigMap. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** What pods are injected by; undefined while it is not known. */
  get settings(): InjectionSettings | undefined {
    const mesh = this.#context.mesh();
    if (!mesh || !this.#texts) return undefined;
    const { settings, contents } = mesh;
    return settingsOf(
      this.#texts,
      settings.config,
      contents.ProxyConfig,
      this.#context.revision,
      this.#context.image(),
    );
  }

  /** Pods that would have a sidecar, or another one, if they were made now; undefined while it is not known what is injected. */
  get restarts(): readonly Restart[] | undefined {
    const { settings } = this;
    const contents = this.#context.mesh()?.contents;
    return settings && contents && restartsAmong(contents.Pod, contents.Namespace, settings, this.#webhooks);
  }

  /** Where each template that pods are injected by is from, by its name; none while that is not known. */
  get templates(): Readonly<Record<string, string>> {
    const names = [...(this.settings?.templates.keys() ?? [])];
    const configMap = injectorConfigMap(this.#context.revision);
    return Object.fromEntries(
      names.map(name => [name, builtInTemplates.has(name) ? 'built in' : `of the ConfigMap ${configMap}`]),
    );
  }

  /** These webhooks bring pods here from now on. */
  broughtBy(webhooks: readonly Webhook[]): void {
    this.#webhooks = webhooks;
  }

  /** The ConfigMap holds this from now on; undefined where there is none: then the one that was there stays in force. */
  heard(data: Readonly<Record<string, unknown>> | undefined): void {
    const { rootNamespace, revision, log } = this.#context;
    const object = objectKey('ConfigMap', rootNamespace, injectorConfigMap(revision));
    const message = 'it is gone; what it held last is in force';
    this.#problems =
      data || !this.#texts ? this.#take(data ?? {}) : [{ object, path: '', message, severity: 'warning' }];
    for (const problem of this.#problems) log.warn({ problem: problemLine(problem) }, 'the settings of injection');
  }

  /** Takes what is valid of the ConfigMap's data; gives what is wrong with the rest. */
  #take(data: Readonly<Record<string, unknown>>): readonly Problem[] {
    const { revision, rootNamespace } = this.#context;
    const texts: { [key in Key]?: string } = {};
    for (const key of keys) if (typeof data[key] === 'string') texts[key] = data[key];
    const from = { mesh: { rootNamespace }, proxyConfigs: [], revision, compliancePolicy: '' };
    const { problems } = readSettings({ ...from, ...texts });
    const gone = keys.filter(key => texts[key] === undefined && this.#valid.get(key) !== undefined);
    const kept = keys.filter(key => gone.includes(key) || (this.#valid.has(key) && hasError(problems, key)));
    for (const key of keys) if (!kept.includes(key) && !hasError(problems, key)) this.#valid.set(key, texts[key]);
    const pick = (key: Key): string | undefined => (kept.includes(key) ? this.#valid.get(key) : texts[key]);
    this.#texts = { config: pick('config'), values: pick('values') };
    const object = objectKey('ConfigMap', rootNamespace, injectorConfigMap(revision));
    const missing = gone.map((key): Problem => {
      const message = `it is gone; the last valid data.${key} is in force`;
      return { object, path: `data.${key}`, message, severity: 'warning' };
    });
    const found = problems.map(problem => {
      const key = kept.find(of => isBelow(problem.path, of));
      return key ? inForceInstead(problem, key) : problem;
    });
    return [...missing, ...found];
  }

  /** The pages of the webhook's port. */
  readonly pages: Pages = {
    '/inject': {
      help: 'Injects a pod: POST an AdmissionReview',
      methods: ['POST'],
      page: request => this.#page(request),
    },
    '/inject/': {
      help: 'The same, with environment for the proxy: /inject/cluster/C/net/N',
      methods: ['POST'],
      page: request => this.#page(request),
    },
  };

  #page({ path, body, peer }: PageRequest): Answer {
    const began = performance.now();
    const [contentType = ''] = peer.header('content-type');
    const { settings } = this;
    const native = (node: string): boolean => this.#native(node);
    const answered = this.#review({ path, contentType, body }, settings && { settings, native });
    const { status, outcome } = answered;
    this.#say(outcome);
    this.#context.onReview(outcome, (performance.now() - began) / 1_000);
    return { status, body: answered.body, ...(status === 200 && { type: 'application/json' }) };
  }

  /** A review that throws counts as one that failed; the page says so by its status, and the pod is not made. */
  #review(...asked: Parameters<typeof review>): Reviewed {
    try {
      return review(...asked);
    } catch (error) {
      const reason = messageOf(error);
      this.#context.log.error({ err: error }, 'an AdmissionReview could not be answered');
      return {
        status: 500,
        body: 'The pod could not be injected; the log of the control plane says why.\n',
        outcome: { kind: 'failed', pod: '', reason },
      };
    }
  }

  #say(outcome: ReviewOutcome): void {
    const { log } = this.#context;
    if (outcome.kind === 'skipped') log.info({ pod: outcome.pod, reason: outcome.reason }, 'a pod is not injected');
    if (outcome.kind === 'failed') log.warn({ pod: outcome.pod, reason: outcome.reason }, 'a pod is refused');
  }

  /** Whether native sidecars run on a node, or on every node where it is not known yet (webhook.go DetectNativeSidecar). */
  #native(node: string): boolean {
    const mesh = this.#context.mesh();
    const told = this.settings && nativeSidecarsTold(this.settings.values);
    if (told !== undefined) return told;
    const nodes = mesh?.contents.Node;
    const of = node ? nodes?.get(objectKey('Node', '', node)) : undefined;
    return of ? runNativeSidecars([of.kubelet]) : nodes !== undefined && allNative(nodes);
  }
}

const isBelow = (path: string, key: Key): boolean => new RegExp(`^data\\.${key}(?![^.[])`).test(path);

const hasError = (problems: readonly Problem[], key: Key): boolean =>
  problems.some(({ path, severity }) => severity === 'error' && isBelow(path, key));

/** A problem of a key whose last valid version is in force. */
const inForceInstead = (problem: Problem, key: Key): Problem => ({
  ...problem,
  message: `${problem.message.replace(inForce, '')}; the last valid data.${key} is in force`,
});

const settingsOf = memo(
  (
    texts: InjectorTexts,
    mesh: MeshModel['settings']['config'],
    proxyConfigs: MeshModel['contents']['ProxyConfig'],
    revision: string,
    image: string | undefined,
  ): InjectionSettings =>
    readSettings({ ...texts, mesh, proxyConfigs: [...proxyConfigs.values()], revision, compliancePolicy: '', image })
      .settings,
  1,
);

const allNative = memo((nodes: ReadonlyMap<unknown, KubeNode>): boolean =>
  runNativeSidecars([...nodes.values()].map(({ kubelet }) => kubelet)),
);
