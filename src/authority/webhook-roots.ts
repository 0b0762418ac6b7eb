import type { RawObject } from '../config/raw.ts';
import type { KubeObject, Resource } from '../kubernetes/object.ts';
import type { Cluster } from './cluster.ts';
import type { Kept, Upkeep } from './upkeep.ts';

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

const isRight = ({ clientConfig }: Webhook, upkeep: Upkeep): boolean => {
  const caBundle = clientConfig?.caBundle;
  return typeof caBundle === 'string' && upkeep.isRight(Buffer.from(caBundle, 'base64').toString());
};

/** The roots by which the API server knows the webhook's port, in every MutatingWebhookConfiguration of a revision, tags of it included; by their names. */
export const rootsOfWebhooks = ({ follow }: Cluster, revision: string): Kept => ({
  follow(upkeep, signal) {
    const seen = (object: RawObject): void => {
      const { name, resourceVersion = '' } = object.metadata;
      const areRight = injectors(object).every(webhook => isRight(webhook, upkeep));
      upkeep.want(name);
      upkeep.seen(name, resourceVersion, areRight);
    };
    return follow(
      'MutatingWebhookConfiguration',
      {
        group: GROUP,
        versions: ['v1'],
        kind: 'MutatingWebhookConfiguration',
        plural: CONFIGURATIONS.plural,
        labelSelector: `istio.io/rev=${revision}`,
      },
      { listed: objects => objects.forEach(seen), changed: seen, gone: (_, name) => upkeep.forget(name) },
      signal,
    );
  },
  async write(name, upkeep, writer) {
    const caBundle = Buffer.from(upkeep.roots).toString('base64');
    const written = await writer.update(CONFIGURATIONS, { name }, object => {
      const { metadata } = object;
      const wrong = new Set(injectors(object).filter(webhook => !isRight(webhook, upkeep)));
      // It may have become another revision's meanwhile.
      if (!wrong.size || metadata.labels?.['istio.io/rev'] !== revision) return undefined;
      const webhooks = (object['webhooks'] as readonly Webhook[]).map(webhook =>
        wrong.has(webhook) ? { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } } : webhook,
      );
      return { ...object, webhooks } as KubeObject;
    });
    return written?.metadata.resourceVersion;
  },
  logged: webhookConfiguration => ({ webhookConfiguration }),
  failing: 'a webhook cannot be given the roots that it is known by; pods that it is for cannot be made',
  contested: 'somebody else changes the roots of a webhook again and again; they are written again less and less often',
});
