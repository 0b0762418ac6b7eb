import { type Arguments, type Option, UsageError } from './cli/command.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A host and a port to listen on. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What istiod takes from its flags and MeshConfig does not say. */
export interface MeshOptions {
  /** The suffix of Service host names. */
  readonly domain: string;
  /** Where mesh-wide objects live. */
  readonly rootNamespace: string;
  /** The name of the cluster whose objects these are. */
  readonly clusterId: string;
}

/** Where the objects come from. */
export type SourceSettings =
  | { readonly kind: 'directory'; readonly folder: string }
  | { readonly kind: 'kubernetes'; readonly kubeconfig: string | undefined; readonly context: string | undefined };

/** Everything `serve` can be told. */
export interface Settings {
  readonly source: SourceSettings;
  readonly xds: Address;
  readonly http: Address;
  /** A MeshConfig file that takes the place of the source's own. */
  readonly meshConfig: string | undefined;
  readonly mesh: MeshOptions;
  /** Gateways get the private keys of their credentials over plaintext streams from other machines too. */
  readonly plaintextSecrets: boolean;
  /** The share of a core that pushes may take while changes keep coming. */
  readonly pushShare: number;
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
  config: { value: 'DIR', help: 'Read objects from the *.yaml below DIR instead of a cluster, and follow changes' },
  kubeconfig: { value: 'FILE', help: 'Watch the cluster of this kubeconfig (default: the cluster this runs in)' },
  context: { value: 'NAME', help: "The kubeconfig's context" },
  'xds-address': { value: 'HOST:PORT', help: 'Where proxies connect (ADS over plaintext gRPC)', default: ':15010' },
  'http-address': { value: 'HOST:PORT', help: '/ready, /debug and /metrics', default: ':8080' },
  'mesh-config': { value: 'FILE', help: "MeshConfig in YAML; takes the place of the source's own" },
  'plaintext-secrets': {
    flag: true,
    help: 'Send private keys of Gateways over plaintext ADS to other machines, not only to this one',
  },
  ...meshOptions,
  'push-share': {
    value: 'SHARE',
    help: 'Share of a core that pushes may take while changes keep coming: less makes them wait for each other longer',
    default: '0.25',
  },
  'log-level': { value: 'LEVEL', help: LOG_LEVELS.join(', '), default: 'info' },
} as const satisfies Record<string, Option>;

/** Reads `host:port`; an empty host means every address. Throws a UsageError that names the option. */
export function address(option: string, text: string): Address {
  const at = text.lastIndexOf(':');
  const port = Number(text.slice(at + 1));
  if (at < 0 || text.length === at + 1 || !Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`--${option}: '${text}' is no address; expected HOST:PORT or :PORT, such as :15010`);
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port };
}

/** Reads a share: more than 0, at most 1. Throws a UsageError that names the option. */
function share(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1))
    throw new UsageError(`--${option}: '${text}' is no share; expected a number above 0 and at most 1, such as 0.25`);
  return value;
}

/** The mesh options as typed, or their defaults. */
export const meshSettings = ({ options }: Arguments): MeshOptions => ({
  domain: options['domain'] ?? meshOptions.domain.default,
  rootNamespace: options['root-namespace'] ?? meshOptions['root-namespace'].default,
  clusterId: options['cluster-id'] ?? meshOptions['cluster-id'].default,
});

/** Checks the arguments of `serve`. Throws a UsageError. */
export function serveSettings(args: Arguments): Settings {
  const { options, positionals } = args;
  if (positionals.length)
    throw new UsageError(`unexpected '${positionals[0]}'; objects are named by --config DIR or --kubeconfig FILE`);
  const { config, kubeconfig, context } = options;
  if (config !== undefined && (kubeconfig ?? context) !== undefined)
    throw new UsageError('--config reads a folder and --kubeconfig a cluster: choose one');
  const logLevel = LOG_LEVELS.find(level => level === options['log-level']);
  if (!logLevel)
    throw new UsageError(`--log-level: '${options['log-level']}'; expected one of ${LOG_LEVELS.join(', ')}`);
  return {
    source: config === undefined ? { kind: 'kubernetes', kubeconfig, context } : { kind: 'directory', folder: config },
    xds: address('xds-address', options['xds-address'] ?? serveOptions['xds-address'].default),
    http: address('http-address', options['http-address'] ?? serveOptions['http-address'].default),
    meshConfig: options['mesh-config'],
    mesh: meshSettings(args),
    plaintextSecrets: args.flags.has('plaintext-secrets'),
    pushShare: share('push-share', options['push-share'] ?? serveOptions['push-share'].default),
    logLevel,
  };
}
