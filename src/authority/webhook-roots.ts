import type { RawObject } from '../config/raw.ts';
import type { KubeObject, Resource } from '../kubernetes/object.ts';
import type { Permit, Writer } from '../kubernetes/writer.ts';
import type { Cluster } from './cluster.ts';
import { isSamePem, Upkeep } from './upkeep.ts';

const GROUP = 'admissionregistration.k8s.io';
const CONFIGURATIONS: Resource = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  plural: 'mutatingwebhookconfigurations',
};

/** Webhooks whose names end so are those that inject sidecars (istiod: pkg/webhooks/webhookpatch.go). */
const INJECTS = 'sidecar-injector.istio.io';

interface Webhook {
  readonly name?: unknown;
  readonly clientConfig?: { readonly caBundle?: unknown };
}

const injectors = (object: { readonly [field: string]: unknown }): readonly Webhook[] =>
  Array.isArray(object['webhooks']) ? object['webhooks'].filter(({ name }) => String(name).endsWith(INJECTS)) : [];

/**
 * Keeps the roots by which the API server knows the webhook's port in every MutatingWebhookConfiguration of a revision, tags of it included, also where
 * somebody else changes them. For the leader alone.
 */
export class WebhookRoots {
  readonly #cluster: Cluster;
  readonly #revision: string;
  readonly #upkeep: Upkeep;
  #bundle: string;

  constructor(cluster: Cluster, revision: string, bundle: string) {
    this.#cluster = cluster;
    this.#revision = revision;
    this.#upkeep = new Upkeep(cluster);
    this.#bundle = bundle;
  }

  /** From now on the port is known by these roots, as one PEM text. */
  replace(bundle: string): void {
    if (bundle === this.#bundle) return;
    this.#bundle = bundle;
    this.#upkeep.changed();
  }

  /** Writes for as long as the term lasts. */
  async run(term: Permit): Promise<void> {
    const writer = this.#cluster.writer(term);
    const seen = (object: RawObject): void => this.#seen(object);
    const listed = this.#cluster.follow(
      'MutatingWebhookConfiguration',
      {
        group: GROUP,
        versions: ['v1'],
        kind: 'MutatingWebhookConfiguration',
        plural: CONFIGURATIONS.plural,
        labelSelector: `istio.io/rev=${this.#revision}`,
      },
      { listed: objects => objects.forEach(seen), changed: seen, gone: (_, name) => this.#upkeep.forget(name) },
      term.signal,
    );
    await this.#upkeep.run(term, listed, {
      write: name => this.#write(name, writer),
      logged: webhookConfiguration => ({ webhookConfiguration }),
      failing: 'a webhook cannot be given the roots that it is known by; pods that it is for cannot be made',
      contested:
        'somebody else changes the roots of a webhook again and again; they are written again less and less often',
    });
  }

  #seen(object: RawObject): void {
    const { name, resourceVersion = '' } = object.metadata;
    this.#upkeep.want(name);
    this.#upkeep.seen(
      name,
      resourceVersion,
      injectors(object).every(webhook => this.#isRight(webhook)),
    );
  }

  #isRight({ clientConfig }: Webhook): boolean {
    const caBundle = clientConfig?.caBundle;
    return typeof caBundle === 'string' && isSamePem(Buffer.from(caBundle, 'base64').toString(), this.#bundle);
  }

  async #write(name: string, writer: Writer): Promise<string | undefined> {
    const caBundle = Buffer.from(this.#bundle).toString('base64');
    const written = await writer.update(CONFIGURATIONS, { name }, object => {
      const { metadata } = object;
      const wrong = new Set(injectors(object).filter(webhook => !this.#isRight(webhook)));
      // It may have become another revision's meanwhile.
      if (!wrong.size || metadata.labels?.['istio.io/rev'] !== this.#revision) return undefined;
      const webhooks = (object['webhooks'] as readonly Webhook[]).map(webhook =>
        wrong.has(webhook) ? { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } } : webhook,
      );
      return { ...object, webhooks } as KubeObject;
    });
    return written?.metadata.resourceVersion;
  }
}
