import { type Arguments, type Option, UsageError } from '../command.ts';
import { hostFault } from '../config/host.ts';
import type { MeshOptions } from '../istio/settings.ts';
import { LOG_LEVELS, type LogLevel } from '../log/log-level.ts';
import type { Pace } from '../security/rotation.ts';
import type { AddressRanges } from '../sources/jwks/ranges.ts';
import type { Address } from './address.ts';
import {
  address,
  addressOrNone,
  DAY,
  duration,
  hosts,
  isNamespace,
  namespaces,
  oneOf,
  pace,
  ranges,
  revisionName,
  share,
} from './option-values.ts';

/** Where the objects come from. */
export type SourceSettings =
  /** `ca` is the folder of the authority that vouches for proxies; nobody does without. */
  | { readonly kind: 'directory'; readonly folder: string; readonly ca: string | undefined }
  | { readonly kind: 'kubernetes'; readonly kubeconfig: string | undefined; readonly context: string | undefined };

/** Everything `serve` can be told. */
export interface Settings {
  readonly source: SourceSettings;
  /** Where proxies connect in plaintext; nowhere without. */
  readonly xds: Address | undefined;
  readonly http: Address;
  /** Where proxies prove who they are; nowhere without. */
  readonly tls: Address | undefined;
  /** Where the API server asks for pods to be injected; nowhere without. */
  readonly webhook: Address | undefined;
  /** Where levels of the log are shown and set (istiod's ControlZ); nowhere without. */
  readonly controlz: Address | undefined;
  /** A second address for the pages, so that probes have the first to themselves. */
  readonly monitoring: Address | undefined;
  /** A MeshConfig file that takes the place of the source's own. */
  readonly meshConfig: string | undefined;
  readonly mesh: MeshOptions;
  /** Names that proxies reach this control plane by, beside those that come of its namespace. */
  readonly revision: string;
  readonly tlsHosts: readonly string[];
  /** A JWTRule in JSON: an issuer whose tokens callers may show, beside those of the cluster. */
  readonly jwtRule: string | undefined;
  /** Where the keys of RequestAuthentications may be fetched from, and a file of certificates that vouch for servers there. */
  readonly jwks: AddressRanges & { readonly ca: string | undefined };
  /** Gateways get the private keys of their credentials over plaintext streams from other machines too. */
  readonly plaintextSecrets: boolean;
  /** The share of a core that pushes may take while changes keep coming. */
  readonly pushShare: number;
  /** How long the steps of a rotation of roots last at least. */
  readonly rotationPace: Pace;
  /** How long certificates of workloads live that do not say it themselves, in seconds. */
  readonly workloadCertTtl: number;
  /** Namespaces whose service accounts may look at everything, beside the mesh's root namespace. */
  readonly debugNamespaces: readonly string[];
  readonly logLevel: LogLevel;
}

/** Options that say which mesh the objects are of; shared by every command that reads objects. */
export const meshOptions = {
  domain: { value: 'DOMAIN', help: "Suffix of the Services' host names", default: 'cluster.local' },
  'root-namespace': { value: 'NS', help: 'Namespace of mesh-wide objects', default: 'istio-system' },
  'cluster-id': { value: 'ID', help: 'Name of the cluster that the objects are of', default: 'Kubernetes' },
} as const satisfies Record<string, Option>;

/** The options of `serve`. */
export const serveOptions = {
  config: {
    value: 'DIR',
    help: 'Read objects from *.yaml, *.yml and *.json below DIR instead of a cluster, and follow changes',
  },
  kubeconfig: { value: 'FILE', help: 'Watch the cluster of this kubeconfig (default: the cluster this runs in)' },
  context: { value: 'NAME', help: "The kubeconfig's context" },
  ca: {
    value: 'DIR',
    help: 'With --config: the folder of the authority that vouches for proxies; made where there is none, for its owner alone',
  },
  'xds-address': {
    value: 'HOST:PORT',
    help: 'Where proxies connect (ADS over plaintext gRPC); "" for nowhere',
    default: ':15010',
    mayBeEmpty: true,
  },
  'tls-address': {
    value: 'HOST:PORT',
    help: 'Where proxies connect over TLS and have their certificates signed; needs a cluster or --ca, and is then :15012 unless told; "" for nowhere',
    mayBeEmpty: true,
  },
  'controlz-address': {
    value: 'HOST:PORT',
    help: 'Where istioctl admin log shows and sets levels of the log (istiod: --ctrlz_port); 127.0.0.1:9876 in the cluster that this runs in; "" for nowhere',
    mayBeEmpty: true,
  },
  'webhook-address': {
    value: 'HOST:PORT',
    help: 'Where the API server has pods injected, over TLS; with a cluster and --tls-address, and is then :15017 unless told; "" for nowhere',
    mayBeEmpty: true,
  },
  'tls-hosts': {
    value: 'HOST,...',
    help: "More host names for the TLS port's certificate, beside those of the Service istiod (istiod: ISTIOD_CUSTOM_HOST)",
  },
  'jwt-rule': {
    value: 'JSON',
    help: 'A JWTRule (issuer, jwksUri or jwks, audiences) whose tokens say who a proxy is, beside those of the cluster (istiod: JWT_RULE)',
  },
  revision: {
    value: 'REV',
    help: "Revision of this control plane: the TLS port's certificate is for istiod-REV, too (istiod: REVISION)",
    default: 'default',
  },
  'http-address': { value: 'HOST:PORT', help: '/ready, /debug and /metrics', default: ':8080' },
  'monitoring-address': {
    value: 'HOST:PORT',
    help: 'The same pages once more, for Prometheus and people, so that probes have --http-address to themselves (istiod: :15014)',
  },
  'debug-namespaces': {
    value: 'NS,...',
    help: 'Namespaces whose service accounts may look at all pages from other machines, beside --root-namespace (istiod: DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES)',
  },
  'mesh-config': { value: 'FILE', help: "MeshConfig in YAML; takes the place of the source's own" },
  'plaintext-secrets': {
    flag: true,
    help: 'Send credentials of Gateways, private keys among them, over plaintext ADS to everybody; else none is, but to this machine from a folder',
  },
  'workload-cert-ttl': {
    value: 'DURATION',
    help: 'How long the certificates of workloads live, such as 24h; half of that later they are renewed (istiod: DEFAULT_WORKLOAD_CERT_TTL)',
    default: '24h',
  },
  'jwks-ca': {
    value: 'FILE',
    help: 'Certificates in PEM that vouch for the servers of keys (jwksUri, issuers), beside those that Node believes (istiod: /cacerts/extra.pem)',
  },
  'jwks-allow': {
    value: 'CIDR,...',
    help: 'Fetch keys from these addresses, too, though they are loopback, link-local or for the metadata of a cloud',
  },
  'jwks-block': {
    value: 'CIDR,...',
    help: 'Fetch no keys from these addresses (istiod: BLOCKED_CIDRS_IN_JWKS_URIS)',
  },
  ...meshOptions,
  'push-share': {
    value: 'SHARE',
    help: 'Share of a core that pushes may take while changes keep coming: less makes them wait for each other longer',
    default: '0.25',
  },
  'rotation-pace': {
    value: 'SIGN,DROP',
    help: 'How long a new root is distributed at least before it signs, and signs before the old one is dropped: longer than ConfigMaps take to reach pods, and than leaves live of proxies that are away',
    default: '1h,24h',
  },
  'log-level': { value: 'LEVEL', help: LOG_LEVELS.join(', '), default: 'info' },
} as const satisfies Record<string, Option>;

/** istiod's. */
const TLS_ADDRESS = ':15012';
const WEBHOOK_ADDRESS = ':15017';

/** Where proxies connect: in plaintext and over TLS, which takes somebody who vouches for them. Throws a UsageError. */
function proxyAddresses({ options }: Arguments): Pick<Settings, 'xds' | 'tls'> {
  const isVouched = options['config'] === undefined || options['ca'] !== undefined;
  const tlsText = options['tls-address'] ?? (isVouched ? TLS_ADDRESS : '');
  if (!isVouched && tlsText)
    throw new UsageError(
      '--tls-address needs who vouches for proxies: a cluster, or with --config an authority: --ca DIR',
    );
  const xds = addressOrNone('xds-address', options['xds-address'] ?? serveOptions['xds-address'].default);
  const tls = addressOrNone('tls-address', tlsText);
  if (!xds && !tls)
    throw new UsageError(
      isVouched
        ? '--xds-address and --tls-address are both empty: proxies could connect nowhere'
        : '--xds-address is empty, and over TLS a folder is served with --ca DIR alone: proxies could connect nowhere',
    );
  return { xds, tls };
}

/** Where pods are injected: in a cluster, under the certificate of the TLS port. Throws a UsageError. */
function webhookAddress({ options }: Arguments, tls: Address | undefined): Address | undefined {
  const isServed = options['config'] === undefined && tls !== undefined;
  const told = options['webhook-address'] ?? (isServed ? WEBHOOK_ADDRESS : '');
  if (told && options['config'] !== undefined)
    throw new UsageError(
      '--webhook-address needs a cluster: no API server asks about the pods of a folder; pilotlight inject -f FILE writes sidecars into YAML',
    );
  if (told && !isServed)
    throw new UsageError('--webhook-address needs --tls-address: the certificate of that port is shown there, too');
  return addressOrNone('webhook-address', told);
}

/** The mesh options as typed, or their defaults. Throws a UsageError. */
export function readMeshOptions({ options }: Arguments): MeshOptions {
  const domain = options['domain'] ?? meshOptions.domain.default;
  const rootNamespace = options['root-namespace'] ?? meshOptions['root-namespace'].default;
  const clusterId = options['cluster-id'] ?? meshOptions['cluster-id'].default;
  const fault = hostFault(domain);
  if (fault || domain.endsWith('.') || domain !== domain.toLowerCase())
    throw new UsageError(`--domain: '${domain}' is no domain of DNS in small letters, such as cluster.local`);
  if (!isNamespace(rootNamespace))
    throw new UsageError(`--root-namespace: '${rootNamespace}' cannot be the name of a namespace`);
  if (!/^[\w.:/-]{1,253}$/.test(clusterId))
    throw new UsageError(`--cluster-id: '${clusterId}'; letters, digits and . : / _ - can name a cluster`);
  return { domain, rootNamespace, clusterId };
}

/** istiod's, which istioctl forwards a port to. */
const CONTROLZ = '127.0.0.1:9876';

const isInCluster = ({ options }: Arguments): boolean =>
  options['config'] === undefined && options['kubeconfig'] === undefined && options['context'] === undefined;

/** Checks the arguments of `serve`. Throws a UsageError. */
export function serveSettings(args: Arguments): Settings {
  const { options } = args;
  const { config, kubeconfig, context, ca } = options;
  if (config !== undefined && (kubeconfig ?? context) !== undefined)
    throw new UsageError('--config reads a folder and --kubeconfig a cluster: choose one');
  if (config === undefined && ca !== undefined)
    throw new UsageError('--ca is for --config: in a cluster the authority of the mesh is in its Secrets');
  const revision = revisionName(options['revision'] ?? serveOptions.revision.default);
  const logLevel = oneOf('log-level', options['log-level'] ?? '', LOG_LEVELS);
  const addresses = proxyAddresses(args);
  return {
    source:
      config === undefined ? { kind: 'kubernetes', kubeconfig, context } : { kind: 'directory', folder: config, ca },
    ...addresses,
    webhook: webhookAddress(args, addresses.tls),
    controlz: addressOrNone('controlz-address', options['controlz-address'] ?? (isInCluster(args) ? CONTROLZ : '')),
    tlsHosts: hosts('tls-hosts', options['tls-hosts']),
    revision,
    jwtRule: options['jwt-rule'],
    http: address('http-address', options['http-address'] ?? serveOptions['http-address'].default),
    monitoring:
      options['monitoring-address'] === undefined
        ? undefined
        : address('monitoring-address', options['monitoring-address']),
    meshConfig: options['mesh-config'],
    mesh: readMeshOptions(args),
    jwks: {
      ca: options['jwks-ca'],
      allowed: ranges('jwks-allow', options['jwks-allow']),
      blocked: ranges('jwks-block', options['jwks-block']),
    },
    plaintextSecrets: args.flags.has('plaintext-secrets'),
    workloadCertTtl: duration(
      'workload-cert-ttl',
      options['workload-cert-ttl'] ?? serveOptions['workload-cert-ttl'].default,
      90 * DAY,
    ),
    debugNamespaces: namespaces('debug-namespaces', options['debug-namespaces']),
    rotationPace: pace('rotation-pace', options['rotation-pace'] ?? serveOptions['rotation-pace'].default),
    pushShare: share('push-share', options['push-share'] ?? serveOptions['push-share'].default),
    logLevel,
  };
}
