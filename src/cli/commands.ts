import { boundsTable } from '../bounds.ts';
import type { Command } from '../command.ts';
import { meshOptions, serveOptions, serveSettings } from '../settings/settings.ts';
import { iptablesOptions } from './iptables-options.ts';

// What a command needs is imported when it runs: --help and a mistake are answered at once.

/** `pilotlight serve` */
export const serve: Command = {
  summary: 'Run the control plane',
  usage: 'serve [--config DIR | --kubeconfig FILE] [OPTIONS]',
  description: `Reads Services, endpoints and Istio's objects, and serves proxies what they are to do with them.
Without --config and --kubeconfig it watches the cluster that it runs in.`,
  options: serveOptions,
  // Made when it is asked for: the table writes numbers as people do, and what knows how takes longer to load than `iptables` to run.
  get notes() {
    return `Bounds on what peers can take. Where one is met, the status of the stream, the log and the metric pilotlight_bounds_met_total
name it:
${boundsTable()}`;
  },
  run: async (args, io) => {
    const settings = serveSettings(args);
    const { run } = await import('./serve.ts');
    return run(settings, io);
  },
};

/** `pilotlight bootstrap` */
export const bootstrap: Command = {
  summary: 'Print an Envoy bootstrap for a pod',
  usage: 'bootstrap --config DIR [--secure] POD[.NAMESPACE]',
  operand: 'POD[.NAMESPACE]',
  description: `Prints, as YAML, the configuration with which a stock Envoy becomes the proxy of that pod: who it is, and where the control
plane is. Everything else comes over ADS. Start it with: envoy -c FILE --drain-strategy immediate
(a connection from before a change of policies then serves one more request by the old ones, and not more for ten minutes).
With --secure it connects over TLS, proves who it is by a token, and gets a certificate: it speaks mutual TLS.`,
  options: {
    config: { value: 'DIR', help: 'The folder of objects' },
    'xds-address': {
      value: 'HOST:PORT',
      help: 'Where the control plane serves proxies (default 127.0.0.1:15010, with --secure 127.0.0.1:15012)',
    },
    secure: { flag: true, help: 'Connect over TLS' },
    token: {
      value: 'FILE',
      help: 'With --secure: the token, read anew for each stream',
      default: '/var/run/secrets/tokens/istio-token',
    },
    'root-cert': {
      value: 'FILE',
      help: 'With --secure: the root of the mesh, which the control plane is known by',
      default: '/var/run/secrets/istio/root-cert.pem',
    },
    ca: {
      value: 'DIR',
      help: 'With --secure: the folder of pilotlight serve --ca; its root is written into the bootstrap in place of --root-cert',
    },
    'admin-address': {
      value: 'HOST:PORT',
      help: "Where the Envoy's own admin pages are to be",
      default: '127.0.0.1:15000',
    },
    type: { value: 'TYPE', help: 'sidecar, or router for a gateway', default: 'sidecar' },
    interception: {
      value: 'MODE',
      help: 'How traffic reaches the Envoy: REDIRECT, TPROXY or NONE',
      default: 'REDIRECT',
    },
    'dns-capture': {
      flag: true,
      help: 'The Envoy answers DNS on 127.0.0.1:15053, where pilotlight iptables --redirect-dns sends it',
    },
    ...meshOptions,
  },
  run: async (args, io) => (await import('./bootstrap.ts')).run(args, io),
};

/** `pilotlight translate` */
export const translate: Command = {
  summary: 'Print what a proxy would be sent for a folder of YAML, without a server',
  usage: 'translate --config DIR --node NODE.json [--out FILE]',
  description: `Reads the objects in *.yaml, *.yml and *.json below DIR (meshconfig.yaml is the MeshConfig; hidden files are left out) and writes, as
JSON, the clusters, endpoints, listeners and routes of the proxy that NODE.json describes: a Node message as Envoy sends it. Problems go to standard error. Exit code 0 when it
translated, 2 when the input is unusable.`,
  options: {
    config: { value: 'DIR', help: 'The folder of objects' },
    node: { value: 'FILE', help: "The proxy's Node message in proto JSON" },
    out: { value: 'FILE', help: 'Where to write; - is standard output', default: '-' },
    ...meshOptions,
  },
  run: async (args, io) => (await import('./translate.ts')).run(args, io),
};

/** `pilotlight token` */
export const token: Command = {
  summary: 'Print a token by which the Envoy of a pod is known',
  usage: 'token --config DIR --ca DIR [--ttl 24h] [--out FILE] POD[.NAMESPACE]',
  operand: 'POD[.NAMESPACE]',
  description: `Makes a token for that pod and its service account with the key in the folder that pilotlight serve --ca has made. Whoever has it is
taken for that pod until it ends. An Envoy reads its file anew whenever it connects: replace it in time.`,
  options: {
    config: { value: 'DIR', help: 'The folder of objects' },
    ca: { value: 'DIR', help: 'The folder of the authority' },
    ttl: { value: 'DURATION', help: 'How long it is good for: 30m, 24h, 7d', default: '24h' },
    out: {
      value: 'FILE',
      help: 'Where to write it, in one step and for its owner alone; - is standard output',
      default: '-',
    },
  },
  run: async (args, io) => (await import('./token.ts')).run(args, io),
};

/** `pilotlight iptables` */
export const iptables: Command = {
  summary: "Send a pod's traffic through its proxy, as istio-iptables does",
  usage: 'iptables [OPTIONS]',
  description: `Makes Istio's rules in the network namespace that it runs in, which takes user 0 with NET_ADMIN and NET_RAW. Where they are there already it
changes nothing. What it gives to iptables-restore is printed. Exit code 0 when rules are in force, 1 when they could not be put in
force, 2 when the options are unusable, 126 when --run-validation finds no rules in force.`,
  options: iptablesOptions,
  notes: `Every option but --envoy-port is also read from the environment: ISTIO_INBOUND_PORTS for --istio-inbound-ports. Three have another
name there, too: ISTIO_META_DNS_CAPTURE (--redirect-dns), INVALID_DROP (--drop-invalid), ISTIO_DUAL_STACK (--dual-stack). Only there:
  ISTIO_OUTBOUND_OWNER_GROUPS          groups whose traffic is captured (default *)
  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE  groups whose traffic is not, where all are
  ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR    what of IPv4 is reached directly on the loopback interface (default 127.0.0.1/32)
  ENVOY_USER                           the proxy's user, by name (default istio-proxy)
`,
  run: async (args, io) => (await import('./iptables.ts')).run(args, io),
};

const filename = {
  short: 'f',
  value: 'FILE',
  many: true,
  help: 'Objects in YAML or JSON; - is standard input; may be there several times',
} as const;

/** `pilotlight inject` */
export const inject: Command = {
  summary: 'Add sidecars to the workloads in a file, as istioctl kube-inject does',
  usage: 'inject -f FILE [--mesh-config FILE] [--template envoy|istio-proxy] [OPTIONS]',
  description: `Prints the objects with a sidecar in every pod, ready for kubectl apply: workloads of any kind, pods and lists. What is not changed stays as
it is written, comments included. Injecting twice is injecting once; uninject takes it out again. The settings are those of the cluster (ConfigMaps istio
and istio-sidecar-injector), or of the files that are given. Exit code 2 where a pod cannot be injected as it asks.`,
  options: {
    filename,
    template: {
      value: 'NAME',
      help: 'envoy or istio-proxy: the sidecar and the gateway (default: as the settings say, else envoy)',
    },
    'mesh-config': { value: 'FILE', help: 'MeshConfig in YAML; no cluster is asked then' },
    values: { value: 'FILE', help: "Values of Istio's chart: key values of the ConfigMap; no cluster is asked then" },
    'injector-config': {
      value: 'FILE',
      help: 'Templates and aliases: key config of the ConfigMap; no cluster is asked then',
    },
    'native-sidecars': {
      value: 'true|false',
      help: 'Sidecars are native (default: as the values say, else if every node of the cluster is 1.33 or newer)',
    },
    revision: { value: 'NAME', help: 'The revision of the control plane' },
    kubeconfig: { value: 'FILE', help: 'The cluster whose settings are read' },
    context: { value: 'NAME', help: "The kubeconfig's context" },
    ...meshOptions,
  },
  run: async (args, io) => (await import('./inject.ts')).inject(args, io),
};

/** `pilotlight uninject` */
export const uninject: Command = {
  summary: 'Take sidecars out of the workloads in a file again',
  usage: 'uninject -f FILE',
  description: `Prints the objects as they were before inject, or before the webhook: what the annotation sidecar.istio.io/status lists goes, and probes ask the
app again.`,
  options: { filename },
  run: async (args, io) => (await import('./inject.ts')).uninject(args, io),
};

/** `pilotlight check` */
export const check: Command = {
  summary: 'Say what in a cluster keeps sidecars from pods, and what mends each',
  usage: 'check [--kubeconfig FILE] [OPTIONS]',
  description: `Reads the cluster and changes nothing: whether the control plane's replicas, webhooks, roots and settings are in order, and which pods should
have a sidecar and have none, or one of another revision or image. Exit code 0 when all is in order, 1 when there are findings, 2 when the cluster
cannot be read.`,
  options: {
    revision: { value: 'NAME', help: 'The revision of the control plane', default: 'default' },
    kubeconfig: { value: 'FILE', help: 'The cluster' },
    context: { value: 'NAME', help: "The kubeconfig's context" },
    ...meshOptions,
  },
  run: async (args, io) => (await import('./check.ts')).run(args, io),
};

/** `pilotlight install` */
export const install: Command = {
  summary: 'Print what kubectl apply -k deploy/ would apply, with settings',
  usage: 'install [--set NAME=VALUE,...]',
  description: `For kubectl apply -f -: the control plane, its rights, webhooks and settings in istio-system, and Istio's CRDs, as the files in deploy/ say. A
revision is a control plane beside others: what it has is named after it, and it injects where a namespace or pod says istio.io/rev=NAME.`,
  options: {
    set: {
      value: 'NAME=VALUE',
      many: true,
      help: "revision=NAME; image=IMAGE, the control plane's; defaultTemplate=envoy or istio-proxy; mtlsMode=STRICT, PERMISSIVE or DISABLE, for the whole mesh",
    },
  },
  run: async (args, io) => (await import('./install.ts')).run(args, io),
};

/** Every command there is. */
export const commands: Readonly<Record<string, Command>> = {
  serve,
  bootstrap,
  token,
  translate,
  inject,
  uninject,
  install,
  check,
  iptables,
};
