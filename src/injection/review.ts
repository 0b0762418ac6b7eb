import { problemLine } from '../config/problem.ts';
import { fieldsOf, isObject, type JsonObject, messageOf, own, textOf } from '../unknown.ts';
import { injectPod } from './inject.ts';
import type { Pod, StringMap } from './pod.ts';
import type { InjectionSettings } from './settings.ts';

/** What the API server, or `istioctl kube-inject`, asks of the webhook. */
export interface ReviewRequest {
  /** `/inject`, or `/inject/cluster/C/net/N`. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Buffer;
}

/** What pods are injected by. */
export interface ReviewSettings {
  readonly settings: InjectionSettings;
  /** Whether native sidecars run on a node; empty for a pod that has none yet. */
  native(node: string): boolean;
}

/** How a review came out, for the log and the metrics; `pod` is `namespace/name`. */
export type ReviewOutcome =
  | { readonly kind: 'injected'; readonly pod: string }
  | { readonly kind: 'skipped'; readonly pod: string; readonly reason: string }
  | { readonly kind: 'failed'; readonly pod: string; readonly reason: string };

export interface Reviewed {
  /** Of HTTP. */
  readonly status: 200 | 400 | 413 | 415 | 500;
  /** JSON where the status is 200, else a sentence. */
  readonly body: string;
  readonly outcome: ReviewOutcome;
}

/** istiod's (pkg/kube HTTPConfigReader). */
const LONGEST_BODY = 6 * 1024 * 1024;

const VERSIONS = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

const variables: StringMap = { cluster: 'ISTIO_META_CLUSTER_ID', net: 'ISTIO_META_NETWORK' };

/** The environment that an address asks for (webhook.go parseInjectEnvs): `/inject/cluster/C/net/N`, with `--slash--` for slashes in values. */
export function environmentIn(path: string): StringMap {
  const asked = /^\/[^/]*\/(.*)$/.exec(path.replace(/\/$/, ''))?.[1];
  if (!asked) return {};
  const pairs = asked.startsWith(':ENV:') ? oldPairs(asked) : slashPairs(asked.split('/'));
  return Object.fromEntries(
    pairs.flatMap(([key, value]) => {
      const name = own(variables, key) ?? key.toUpperCase();
      return name ? [[name, value]] : [];
    }),
  );
}

/** A last one without a value is left out. */
const slashPairs = (parts: readonly string[]): readonly (readonly [string, string])[] =>
  Array.from({ length: Math.floor(parts.length / 2) }, (_, i) => [
    parts[2 * i] ?? '',
    (parts[2 * i + 1] ?? '').replaceAll('--slash--', '/'),
  ]);

/** `:ENV:cluster=C:ENV:net=N`, which Istio has still. */
const oldPairs = (text: string): readonly (readonly [string, string])[] =>
  text.split(':ENV:').flatMap(pair => {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    return key ? [[key, value] as const] : [];
  });

const failed = (status: 400 | 413 | 415, reason: string): Reviewed => ({
  status,
  body: `${reason}\n`,
  outcome: { kind: 'failed', pod: '', reason },
});

/**
 * Answers an AdmissionReview (webhook.go serveInject): what cannot be read and what cannot be injected is not allowed, with the reason; what is not to be
 * injected is allowed as it is. `injector` is undefined while it is not known yet what to inject.
 */
export function review({ path, contentType, body }: ReviewRequest, injector: ReviewSettings | undefined): Reviewed {
  if (!body.length) return failed(400, 'no body found');
  if (body.length > LONGEST_BODY) return failed(413, `the body is longer than ${LONGEST_BODY} bytes`);
  if (contentType !== 'application/json') return failed(415, 'invalid Content-Type, want `application/json`');
  const asked = read(body);
  const apiVersion = VERSIONS.find(version => version === asked.apiVersion) ?? 'admission.k8s.io/v1';
  const answer = (response: object, outcome: ReviewOutcome): Reviewed => ({
    status: 200,
    body: JSON.stringify({ kind: 'AdmissionReview', apiVersion, response: { uid: asked.uid, ...response } }),
    outcome,
  });
  const refuse = (pod: string, message: string): Reviewed =>
    answer({ allowed: false, status: { message } }, { kind: 'failed', pod, reason: message });
  const allow = (pod: string, reason: string): Reviewed => answer({ allowed: true }, { kind: 'skipped', pod, reason });

  if ('fault' in asked) return refuse('', asked.fault);
  const { request } = asked;
  const other = otherThanPod(request);
  if (other !== undefined) return allow('', other);
  const { object } = request;
  if (!isObject(object)) return refuse('*', 'the pod cannot be read: there is no object');
  const { name, generateName, namespace: of } = fieldsOf(object['metadata']);
  const namespace = textOf(request['namespace']) || textOf(of);
  const title = `${namespace}/${textOf(name) || `${textOf(generateName)}*`}`;
  if (!injector)
    return refuse(
      title,
      'the control plane does not know yet what to inject: its /ready?verbose says what it waits for',
    );
  const environment = environmentIn(path);
  const native = injector.native(textOf(fieldsOf(object['spec'])['nodeName']));
  // Whether it is a pod is the first thing that is looked at.
  const injection = injectPod(object as Pod, injector.settings, { namespace, native, environment });
  if (injection.kind === 'skip') return allow(title, injection.reason);
  const said = injection.problems.map(({ path: at, message }) => (at ? `${at}: ${message}` : message));
  if (injection.kind === 'refuse')
    return refuse(title, `no sidecar can be injected: ${injection.problems.map(problemLine).join('; ')}`);
  const patch = Buffer.from(JSON.stringify(injection.patch)).toString('base64');
  return answer(
    { allowed: true, patchType: 'JSONPatch', patch, ...(said.length > 0 && { warnings: said }) },
    { kind: 'injected', pod: title },
  );
}

type Asked = { readonly apiVersion: string; readonly uid: string } & (
  | { readonly request: JsonObject }
  | { readonly fault: string }
);

function read(body: Buffer): Asked {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (error) {
    const fault = `the AdmissionReview cannot be read: ${messageOf(error)}`;
    return { apiVersion: '', uid: '', fault };
  }
  const { apiVersion, kind, request } = fieldsOf(value);
  const uid = textOf(fieldsOf(request)['uid']);
  const head = { apiVersion: textOf(apiVersion), uid };
  if (kind !== 'AdmissionReview' || !VERSIONS.includes(head.apiVersion))
    return {
      ...head,
      fault: `expected an AdmissionReview of ${VERSIONS.join(' or ')}, not ${textOf(kind) || 'an object without a kind'} of ${head.apiVersion || 'no version'}`,
    };
  if (!isObject(request)) return { ...head, fault: 'the AdmissionReview has no request' };
  const wrong = ['uid', 'operation', 'namespace', 'subResource', 'requestSubResource'].find(
    field => typeof (request[field] ?? '') !== 'string',
  );
  if (wrong) return { ...head, fault: `the AdmissionReview cannot be read: request.${wrong}: expected a text` };
  return { ...head, request };
}

/** Of a pod; the second is what `istioctl kube-inject` says, which does not name a resource. */
const pods = ['', 'Pod', 'AdmissionRequest'];

/** Why a request is none to make a pod; undefined where it is one, as far as it says. */
function otherThanPod(request: JsonObject): string | undefined {
  const { operation, subResource, requestSubResource } = request;
  const of = (field: string): JsonObject => fieldsOf(request[field]);
  if (textOf(operation) && operation !== 'CREATE')
    return `it is to ${textOf(operation).toLowerCase()} what is there already`;
  const below = textOf(subResource) || textOf(requestSubResource);
  if (below) return `it is about ${below} of a pod`;
  const resource = textOf(of('resource')['resource']);
  const kinds = [textOf(of('kind')['kind']), textOf(of('object')['kind'])];
  const other = resource ? resource !== 'pods' && resource : kinds.find(kind => !pods.includes(kind));
  return other ? `it is about ${other}, not a pod` : undefined;
}
