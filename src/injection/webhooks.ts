import { picks } from '../istio/label-selector.ts';
import type { LabelSelector } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { fieldsOf, isObject, listOf, textOf } from '../unknown.ts';
import type { StringMap } from './pod.ts';
import { INJECT } from './selection.ts';

/** A webhook of the MutatingWebhookConfiguration: pods with such labels, in namespaces with such labels, are brought to it. */
export interface Webhook {
  /** `rev.namespace.sidecar-injector.istio.io` */
  readonly name: string;
  readonly namespaceSelector: LabelSelector;
  readonly objectSelector: LabelSelector;
}

const REVISION = 'istio.io/rev';
const INJECTION = 'istio-injection';

const among = (key: string, ...values: readonly string[]) => ({ key, operator: 'In', values });
const notAmong = (key: string, ...values: readonly string[]) => ({ key, operator: 'NotIn', values });
const absent = (key: string) => ({ key, operator: 'DoesNotExist' });
const all = (...matchExpressions: NonNullable<LabelSelector['matchExpressions']>): LabelSelector => ({
  matchExpressions,
});

const named = (prefix: string, namespaceSelector: LabelSelector, objectSelector: LabelSelector): Webhook => ({
  name: `${prefix}.sidecar-injector.istio.io`,
  namespaceSelector,
  objectSelector,
});

/**
 * The webhooks of a revision, or of a tag that stands for one (charts/istio-discovery templates/mutatingwebhook.yaml). `istio-injection` is for the
 * default revision, which is called `default` or has no name, and goes before `istio.io/rev`.
 */
export function webhooksOf(revision: string): readonly Webhook[] {
  const name = revision || 'default';
  const unlabelled = all(absent(REVISION), absent(INJECTION));
  const ofRevision = [
    named('rev.namespace', all(among(REVISION, name), absent(INJECTION)), all(notAmong(INJECT, 'false'))),
    named('rev.object', unlabelled, all(notAmong(INJECT, 'false'), among(REVISION, name))),
  ];
  if (name !== 'default') return ofRevision;
  return [
    ...ofRevision,
    named('namespace', all(among(INJECTION, 'enabled')), all(notAmong(INJECT, 'false'))),
    named('object', unlabelled, all(among(INJECT, 'true'), absent(REVISION))),
  ];
}

/** Webhooks whose names end so are those that inject sidecars (istiod: pkg/webhooks/webhookpatch.go). */
const INJECTS = 'sidecar-injector.istio.io';

const selector = (value: unknown): LabelSelector => fieldsOf(value) as LabelSelector;

/** The webhooks that inject of a MutatingWebhookConfiguration as the API server has it; `read` takes what else is wanted of one. */
export function webhooksIn<T>(
  { webhooks }: { readonly [field: string]: unknown },
  read: (webhook: { readonly [field: string]: unknown }) => T,
): readonly (Webhook & T)[] {
  return listOf(webhooks)
    .filter(isObject)
    .filter(({ name }) => textOf(name).endsWith(INJECTS))
    .map(webhook => ({
      name: textOf(webhook['name']),
      namespaceSelector: selector(webhook['namespaceSelector']),
      objectSelector: selector(webhook['objectSelector']),
      ...read(webhook),
    }));
}

/** The webhook that a pod is brought to by its labels and those of its namespace; undefined where it is brought to none. */
export const webhookFor = (webhooks: readonly Webhook[], pod: StringMap, namespace: StringMap): Webhook | undefined =>
  webhooks.find(
    ({ namespaceSelector, objectSelector }) => picks(namespaceSelector, namespace) && picks(objectSelector, pod),
  );
