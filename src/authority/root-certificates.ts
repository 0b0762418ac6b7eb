import type { RawObject } from '../config/raw.ts';
import { ApiError } from '../kubernetes/api-error.ts';
import type { Resource } from '../kubernetes/object.ts';
import type { Permit, Writer } from '../kubernetes/writer.ts';
import type { Cluster } from './cluster.ts';
import { isSamePem, Upkeep } from './upkeep.ts';

const CONFIG_MAPS: Resource = { apiVersion: 'v1', plural: 'configmaps' };

/** The ConfigMap that pods mount, as istiod writes it: pilot-agent trusts a control plane whose certificate comes from its roots. */
export const rootCertificates = {
  name: 'istio-ca-root-cert',
  field: 'root-cert.pem',
  labels: { 'istio.io/config': 'true' },
} as const;

/** Keeps `istio-ca-root-cert` as it is to be in every namespace, also where somebody else changes or deletes it. For the leader alone. */
export class RootCertificates {
  readonly #cluster: Cluster;
  readonly #upkeep: Upkeep;
  #bundle: string;

  constructor(cluster: Cluster, bundle: string) {
    this.#cluster = cluster;
    this.#upkeep = new Upkeep(cluster);
    this.#bundle = bundle;
  }

  /** Namespaces that do not have the roots yet; undefined while that is not known. */
  get owed(): ReadonlySet<string> | undefined {
    return this.#upkeep.owed;
  }

  /** From now on these roots, as one PEM text, are to be in every namespace. */
  replace(bundle: string): void {
    if (bundle === this.#bundle) return;
    this.#bundle = bundle;
    this.#upkeep.changed();
  }

  /** Writes for as long as the term lasts. */
  async run(term: Permit): Promise<void> {
    const writer = this.#cluster.writer(term);
    await this.#upkeep.run(term, this.#follow(term.signal), {
      write: namespace => this.#write(namespace, writer),
      logged: namespace => ({ configMap: `${namespace}/${rootCertificates.name}` }),
      failing: 'the roots of the mesh cannot be written to a namespace; pods there that are new cannot start',
      contested:
        'somebody else changes the roots of the mesh again and again; they are written again less and less often',
    });
  }

  #follow(signal: AbortSignal): Promise<unknown> {
    const core = { group: '', versions: ['v1'] };
    const { name } = rootCertificates;
    const configMap = (object: RawObject): void => this.#seen(object);
    const namespace = ({ metadata }: RawObject): void => this.#upkeep.want(metadata.name);
    return Promise.all([
      this.#cluster.follow(
        `ConfigMap/${name}`,
        { ...core, kind: 'ConfigMap', plural: 'configmaps', fieldSelector: `metadata.name=${name}` },
        { listed: objects => objects.forEach(configMap), changed: configMap, gone: of => this.#upkeep.gone(of) },
        signal,
      ),
      this.#cluster.follow(
        'Namespace of the CA',
        { ...core, kind: 'Namespace', plural: 'namespaces' },
        {
          listed: objects => objects.forEach(namespace),
          changed: namespace,
          gone: (_, of) => this.#upkeep.forget(of),
        },
        signal,
      ),
    ]);
  }

  #seen({ metadata, data }: RawObject): void {
    const { namespace = '', labels, resourceVersion = '' } = metadata;
    const { field, labels: wanted } = rootCertificates;
    const text = (data as Readonly<Record<string, unknown>> | undefined)?.[field];
    const isRight =
      typeof text === 'string' &&
      isSamePem(text, this.#bundle) &&
      Object.entries(wanted).every(([label, value]) => labels?.[label] === value);
    this.#upkeep.seen(namespace, resourceVersion, isRight);
  }

  async #write(namespace: string, writer: Writer): Promise<string | undefined> {
    const { name, field, labels } = rootCertificates;
    const metadata = { name, namespace, labels };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [field]: this.#bundle } };
    try {
      return (await writer.apply(CONFIG_MAPS, object)).metadata.resourceVersion ?? '';
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }
}

/** The namespace is not there any more, or is on its way out and takes nothing new. */
const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || /because it is being terminated/.test(error.message));
