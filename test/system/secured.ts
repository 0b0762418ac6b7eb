import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { ChannelCredentials } from '@grpc/grpc-js';
import { parseAllDocuments } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { untilAborted, Writer } from '../../src/kubernetes/writer.ts';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { ApiServer, istioCrds } from '../kubernetes/api-server.ts';
import { resourceOf } from '../kubernetes/objects.ts';
import { AdsClient } from '../support/ads-client.ts';
import { CertificateClient } from '../support/certificate-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { Pilotlight } from './pilotlight.ts';

const RBAC = join(import.meta.dirname, '../../deploy/istiod/rbac.yaml');

/** Whose token is wanted. */
export interface TokenWish {
  readonly namespace?: string;
  readonly account: string;
  /** The pod that it is bound to. */
  readonly pod?: string;
  readonly audience?: string;
}

/** What a CustomResourceDefinition says is to be served. */
interface CrdSpec {
  readonly group: string;
  readonly names: { readonly plural: string };
  readonly versions: readonly { readonly name: string }[];
}

const clusterWide = new Set([
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
]);

/** A real API server with Istio's CRDs and the rights of deploy/, and those who may do everything with it. */
export class Cluster {
  readonly api: ApiServer;
  readonly client: ApiClient;
  readonly admin: Writer;
  readonly #stop = new AbortController();

  private constructor(api: ApiServer, client: ApiClient) {
    this.api = api;
    this.client = client;
    this.admin = new Writer({ client, fieldManager: 'test', permit: untilAborted(this.#stop.signal) });
  }

  static async start(): Promise<Cluster> {
    const api = await ApiServer.start();
    const cluster = new Cluster(api, await api.client());
    const crds = parseAllDocuments(await istioCrds()).map(document => document.toJS() as KubeObject);
    const rights = parseAllDocuments(readFileSync(RBAC, 'utf8')).map(document => document.toJS() as KubeObject);
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } });
    await cluster.account('istiod', 'istio-system');
    await Promise.all([...crds, ...rights].map(one => cluster.apply(one, 'istio-system')));
    for (const { group, names, versions } of crds.map(crd => crd['spec'] as CrdSpec))
      for (const { name } of versions)
        await until(`${names.plural} to be served in ${name}`, () =>
          cluster.client.json(`/apis/${group}/${name}/${names.plural}`).then(
            () => true,
            () => undefined,
          ),
        );
    return cluster;
  }

  async apply(object: KubeObject, namespace = 'default'): Promise<void> {
    const { apiVersion, kind, metadata } = object;
    const placed = clusterWide.has(kind) ? object : { ...object, metadata: { namespace, ...metadata } };
    const plural =
      resourceOf(placed as RawObject)
        .split('/')
        .at(-1) ?? '';
    await this.admin.apply({ apiVersion, plural }, placed);
  }

  /** The same with what the kubelet and the like would say of it. */
  async applyWithStatus(object: KubeObject): Promise<void> {
    await this.apply(object);
    const { status, metadata } = object;
    if (!status) return;
    const resource = resourceOf({ ...object, metadata: { namespace: 'default', ...metadata } } as RawObject);
    await this.client.json(`${resource}/${metadata.name}/status`, {
      method: 'PATCH',
      body: { status },
      contentType: 'application/merge-patch+json',
    });
  }

  async account(name: string, namespace = 'default'): Promise<void> {
    await this.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }, namespace);
  }

  async pod(name: string, account: string, namespace = 'default', labels = {}): Promise<void> {
    const spec = { serviceAccountName: account, containers: [{ name: 'app', image: 'app' }] };
    await this.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec }, namespace);
  }

  /** A token as the kubelet gives it to a pod. */
  async token({ namespace = 'default', account, pod, audience = 'istio-ca' }: TokenWish): Promise<string> {
    const boundObjectRef = pod && { apiVersion: 'v1', kind: 'Pod', name: pod };
    const spec = { audiences: [audience], ...(boundObjectRef && { boundObjectRef }) };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const answer = await this.client.json(path, { method: 'POST', body });
    return (answer as { status: { token: string } }).status.token;
  }

  /** A kubeconfig with the rights that deploy/ gives, at the API server or what stands before it. */
  async kubeconfig(port = this.api.port): Promise<string> {
    const audience = 'https://kubernetes.default.svc';
    const token = await this.token({ namespace: 'istio-system', account: 'istiod', audience });
    return this.api.kubeconfig({ token }, port);
  }

  close(): Promise<void> {
    this.#stop.abort();
    return this.api.close();
  }

  /** The root of the mesh, once there is one. */
  root(): Promise<Buffer> {
    return until('the root', async () => {
      const secret = await this.admin.get(
        { apiVersion: 'v1', plural: 'secrets' },
        { namespace: 'istio-system', name: 'istio-ca-secret' },
      );
      const text = (secret?.['data'] as Record<string, string> | undefined)?.['ca-cert.pem'];
      return text ? Buffer.from(text, 'base64') : undefined;
    });
  }
}

/** What a proxy shows of itself: a token, or a private key and the chain of its certificate. */
export interface Shown {
  readonly token?: string | undefined;
  readonly pair?: readonly [key: string, chain: string];
}

/** The control plane with a TLS port, as a process of its own. */
export class Secured {
  readonly pilotlight: Pilotlight;
  readonly address: string;
  readonly root: Buffer;

  private constructor(pilotlight: Pilotlight, address: string, root: Buffer) {
    this.pilotlight = pilotlight;
    this.address = address;
    this.root = root;
  }

  static async start(cluster: Cluster, kubeconfig: string): Promise<Secured> {
    const address = `127.0.0.1:${await freePorts()}`;
    const pilotlight = await Pilotlight.serve('--kubeconfig', kubeconfig, '--tls-address', address);
    await until('the TLS port', () => pilotlight.said(/proxies connect over TLS/).length > 0);
    return new Secured(pilotlight, address, await cluster.root());
  }

  stop(): Promise<unknown> {
    return this.pilotlight.stop();
  }

  /** An ADS stream of a proxy. */
  stream(shown: Shown, id: string, metadata: Readonly<Record<string, string>> = {}): AdsClient {
    return streamTo(this.address, this.root, shown, { id, metadata: struct(metadata) });
  }

  /** Has a CSR signed; resolves with the chain, or rejects with the status. */
  sign(token: string | undefined, request: object): Promise<readonly string[]> {
    return signedBy(this.address, this.root, token, request);
  }
}

const target = { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' };

/** An ADS stream over TLS of a proxy that trusts `root`. */
export function streamTo(address: string, root: Buffer, { token, pair }: Shown, node: Node): AdsClient {
  const [key, chain] = pair?.map(text => Buffer.from(text)) ?? [];
  const ads = new AdsClient(address, 'delta', node, {
    credentials: ChannelCredentials.createSsl(root, key, chain),
    channel: target,
    ...(token && { headers: { authorization: `Bearer ${token}` } }),
  });
  after(() => ads.close());
  return ads;
}

/** Has a CSR signed; resolves with the chain, or rejects with the status. */
export function signedBy(
  address: string,
  root: Buffer,
  token: string | undefined,
  request: object,
): Promise<readonly string[]> {
  const client = new CertificateClient(address, ChannelCredentials.createSsl(root), target);
  return client.sign(request, token).finally(() => client.close());
}
