import type { Option } from '../command.ts';

/** A flag with a letter whose value may be empty, which is none. */
const maybeEmpty = (short: string, value: string, help: string) => ({ short, value, mayBeEmpty: true, help });

/** Every flag of `istio-iptables`: as a word, as a letter, and as a variable. */
const flags = {
  'envoy-port': { short: 'p', value: 'PORT', default: '15001', help: 'Where the proxy takes what the pod sends' },
  'inbound-capture-port': { short: 'z', value: 'PORT', default: '15006', help: 'Where it takes what the pod is sent' },
  'inbound-tunnel-port': { short: 'e', value: 'PORT', default: '15008', help: 'Where it takes HBONE' },
  'proxy-uid': maybeEmpty('u', 'UID,...', "Whose traffic is the proxy's own (default: user ENVOY_USER's, else 1337)"),
  'proxy-gid': maybeEmpty('g', 'GID,...', 'The same by group (default: as --proxy-uid)'),
  'istio-inbound-interception-mode': maybeEmpty(
    'm',
    'MODE',
    'How connections come to the proxy: REDIRECT (default) or TPROXY',
  ),
  'istio-inbound-ports': maybeEmpty('b', 'PORT,...', 'Inbound ports that are captured; * for all, none without'),
  'istio-local-exclude-ports': maybeEmpty('d', 'PORT,...', 'Inbound ports that are not, where all are'),
  'istio-exclude-interfaces': maybeEmpty('c', 'NAME,...', 'Interfaces whose traffic is not captured, in or out'),
  'istio-service-cidr': maybeEmpty('i', 'CIDR,...', 'Addresses to which traffic is captured; * for all, none without'),
  'istio-service-exclude-cidr': maybeEmpty('x', 'CIDR,...', 'Addresses to which it is not'),
  'istio-outbound-ports': maybeEmpty('q', 'PORT,...', 'Outbound ports that are captured whatever the address'),
  'istio-local-outbound-ports-exclude': maybeEmpty('o', 'PORT,...', 'Outbound ports that are not captured'),
  'kube-virt-interfaces': maybeEmpty(
    'k',
    'NAME,...',
    'Interfaces of virtual machines, whose inbound traffic is outbound',
  ),
  'istio-inbound-tproxy-mark': { short: 't', value: 'NUMBER', default: '1337', help: 'The mark of packets for TPROXY' },
  'istio-inbound-tproxy-route-table': {
    short: 'r',
    value: 'NUMBER',
    default: '133',
    help: 'The routing table of what is marked',
  },
  'redirect-dns': { flag: true, env: ['ISTIO_META_DNS_CAPTURE'], help: "Capture DNS for the proxy's resolver, 15053" },
  'capture-all-dns': { flag: true, help: "All DNS, not only what goes to resolv.conf's servers" },
  'drop-invalid': { flag: true, env: ['INVALID_DROP'], help: 'Drop packets that belong to no connection' },
  'dual-stack': { flag: true, env: ['ISTIO_DUAL_STACK'], help: 'Capture IPv6 beside IPv4' },
  'dry-run': { short: 'n', flag: true, help: 'Print what iptables-restore would be given, and do nothing' },
  'skip-rule-apply': { flag: true, help: 'Leave rules as they are' },
  'run-validation': {
    flag: true,
    help: 'Prove by a connection that rules are in force; exit code 126 if they are not',
  },
  'iptables-probe-port': { value: 'PORT', default: '15002', help: 'The port of that connection' },
  'probe-timeout': { value: 'DURATION', default: '5s', help: 'How long it is tried' },
  reconcile: { flag: true, help: 'Put the wanted rules in the place of others that are there' },
  'force-apply': { flag: true, help: 'Put rules in force anew, also where they are' },
  'cleanup-only': { flag: true, help: 'Take all rules away' },
  'force-iptables-binary': {
    value: 'KIND',
    mayBeEmpty: true,
    help: 'legacy or nft (default: legacy where it has rules already, else nft)',
  },
  'network-namespace': { value: 'FILE', mayBeEmpty: true, help: 'Do it in this network namespace' },
  'cni-mode': { flag: true, help: "Wait for the namespace's own lock, not for the machine's" },
  'native-nftables': { flag: true, help: 'Not supported: rules are for iptables' },
} as const satisfies Record<string, Option>;

/** What pilot-agent's templates give it for its log. */
const logFlags = {
  log_output_level: { value: 'LEVEL', help: 'This and what follows: taken, and without effect', mayBeEmpty: true },
  log_caller: { value: 'SCOPES', help: '', mayBeEmpty: true },
  log_stacktrace_level: { value: 'LEVEL', help: '', mayBeEmpty: true },
  log_target: { value: 'FILE', help: '', mayBeEmpty: true },
  vklog: { value: 'LEVEL', help: '', mayBeEmpty: true },
  log_as_json: { flag: true, help: '' },
} as const satisfies Record<string, Option>;

const variable = (name: string): string => name.replaceAll('-', '_').toUpperCase();

/** ENVOY_PORT is not read: a Service called envoy makes it. */
const withVariables = (options: Readonly<Record<string, Option>>): Readonly<Record<string, Option>> =>
  Object.fromEntries(
    Object.entries(options).map(([name, option]) => [
      name,
      name === 'envoy-port' ? option : { ...option, env: [variable(name), ...(option.env ?? [])] },
    ]),
  );

/** The options of `iptables`. */
export const iptablesOptions: Readonly<Record<string, Option>> = { ...withVariables(flags), ...logFlags };
