import { memo } from '../memo.ts';
import type { ObjectKey } from '../object-key.ts';
import {
  ServerTLSSettings_TLSmode as Mode,
  type ServerTLSSettings,
} from '../proto/generated/istio/networking/v1alpha3.ts';
import type { Gateway } from './config.ts';
import type { KubePod } from './kubernetes.ts';
import { compare } from './object.ts';

/** Names a Secret. */
export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

/** What the Gateways of one selector refer to. */
interface Wanted {
  readonly selector: readonly (readonly [string, string])[];
  readonly namespace: string;
  readonly names: readonly string[];
}

/** The credentials of a server; those for its clients' certificates may be in a Secret of their own, `<name>-cacert`. */
export function credentialsOf(tls: ServerTLSSettings | undefined): readonly string[] {
  const names = (tls?.credentialNames?.length ? tls.credentialNames : [tls?.credentialName ?? '']).filter(Boolean);
  const clients = tls?.mode === Mode.MUTUAL || tls?.mode === Mode.OPTIONAL_MUTUAL;
  return clients ? names.flatMap(name => [name, `${name}-cacert`]) : names;
}

const wanted = memo((gateways: ReadonlyMap<ObjectKey, Gateway>): readonly Wanted[] =>
  [...gateways.values()].flatMap(({ meta, spec }) => {
    const names = (spec.servers ?? []).flatMap(({ tls }) => credentialsOf(tls));
    return names.length ? [{ selector: Object.entries(spec.selector ?? {}), namespace: meta.namespace, names }] : [];
  }),
);

/** `kubernetes://name`, `kubernetes://namespace/name`, `kubernetes-gateway://namespace/name` or a bare name (istio: credentials.ParseResourceName). */
export function secretName(credential: string, namespace: string): SecretName | undefined {
  const [, scheme, rest = ''] = /^(?:([a-z-]+):\/\/)?(.*)$/.exec(credential) ?? [];
  if (scheme !== undefined && scheme !== 'kubernetes' && scheme !== 'kubernetes-gateway') return undefined;
  const [first = '', second] = rest.split('/');
  if (second !== undefined) return { namespace: first, name: second };
  return scheme === 'kubernetes-gateway' ? undefined : { namespace, name: first };
}

/**
 * The Secrets that Gateways name by `credentialName`: in the Gateway's own namespace and in those of the pods that it selects, since a proxy's
 * credentials are looked for beside it. Sorted; the same list while nothing changes.
 */
export const gatewaySecrets = memo(
  (gateways: ReadonlyMap<ObjectKey, Gateway>, pods: ReadonlyMap<ObjectKey, KubePod>): readonly SecretName[] => {
    const found = new Map<string, SecretName>();
    for (const { selector, namespace, names } of wanted(gateways)) {
      const namespaces = new Set([namespace]);
      // An empty selector means every gateway; it does not make every namespace one of gateways.
      for (const { meta } of selector.length ? pods.values() : [])
        if (selector.every(([key, value]) => meta.labels[key] === value)) namespaces.add(meta.namespace);
      for (const beside of namespaces)
        for (const credential of names) {
          const secret = secretName(credential, beside);
          if (secret) found.set(`${secret.namespace}/${secret.name}`, secret);
        }
    }
    return [...found].sort(([a], [b]) => compare(a, b)).map(([, secret]) => secret);
  },
);
