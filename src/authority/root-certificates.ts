import type { RawObject } from '../config/raw.ts';
import { ApiError } from '../kubernetes/api-error.ts';
import { CONFIG_MAPS } from '../kubernetes/object.ts';
import type { Cluster } from './cluster.ts';
import type { Kept, Upkeep } from './upkeep.ts';

/** The ConfigMap that pods mount, as istiod writes it: pilot-agent trusts a control plane whose certificate comes from its roots. */
export const rootCertificates = {
  name: 'istio-ca-root-cert',
  field: 'root-cert.pem',
  labels: { 'istio.io/config': 'true' },
} as const;

/** `istio-ca-root-cert` in every namespace, by the namespaces. */
export const rootsOfNamespaces = ({ follow }: Cluster): Kept => ({
  follow(upkeep, signal) {
    const core = { group: '', versions: ['v1'] };
    const { name } = rootCertificates;
    const configMap = (object: RawObject): void => seen(object, upkeep);
    const namespace = ({ metadata }: RawObject): void => upkeep.want(metadata.name);
    return Promise.all([
      follow(
        `ConfigMap/${name}`,
        { ...core, kind: 'ConfigMap', plural: 'configmaps', fieldSelector: `metadata.name=${name}` },
        { listed: objects => objects.forEach(configMap), changed: configMap, gone: of => upkeep.gone(of) },
        signal,
      ),
      follow(
        'Namespace of the CA',
        { ...core, kind: 'Namespace', plural: 'namespaces' },
        { listed: objects => objects.forEach(namespace), changed: namespace, gone: (_, of) => upkeep.forget(of) },
        signal,
      ),
    ]);
  },
  async write(namespace, { roots }, writer) {
    const { name, field, labels } = rootCertificates;
    const metadata = { name, namespace, labels };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [field]: roots } };
    try {
      return (await writer.apply(CONFIG_MAPS, object)).metadata.resourceVersion ?? '';
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  },
  logged: namespace => ({ configMap: `${namespace}/${rootCertificates.name}` }),
  failing: 'the roots of the mesh cannot be written to a namespace; pods there that are new cannot start',
  contested: 'somebody else changes the roots of the mesh again and again; they are written again less and less often',
});

function seen({ metadata, data }: RawObject, upkeep: Upkeep): void {
  const { namespace = '', labels, resourceVersion = '' } = metadata;
  const { field, labels: wanted } = rootCertificates;
  const text = (data as Readonly<Record<string, unknown>> | undefined)?.[field];
  const isLabelled = Object.entries(wanted).every(([label, value]) => labels?.[label] === value);
  upkeep.seen(namespace, resourceVersion, isLabelled && upkeep.isRight(text));
}

/** The namespace is not there any more, or is on its way out and takes nothing new. */
const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || /because it is being terminated/.test(error.message));
