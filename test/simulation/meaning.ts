import { isIP } from 'node:net';
import type { World } from '../../src/world.ts';
import { ipv6Of } from '../conformance/family.ts';
import { isFields, type JsonFields, member } from '../support/json.ts';
import type { NamedProxy } from '../support/proxies.ts';
import type { Messages } from '../support/translation.ts';
import { type Call, type Choice, mutualTls, type Outcome } from './call.ts';
import { dnsAnswer } from './name-table.ts';

/** A call as people write it, and what they mean it to come to. One entry of a case's `calls.yaml`. */
export interface Meaning {
  readonly says: string;
  /** The proxy of the application that calls, or (`at`) the one that is called: a server's, or a gateway. */
  readonly proxy: string;
  readonly inbound: boolean;
  /** Holds only where the cluster has IPv4: its objects name such addresses. */
  readonly ofIpv4: boolean;
  /** `GET http://httpbin:8000/path`, `tcp://10.0.0.1:5432`, `tls://host:443`; a host is looked up as the caller's DNS would. */
  readonly target: Target;
  /** More of the call: some of `optionNames`. */
  readonly options: JsonFields;
  readonly gives: JsonFields;
}

/** What an entry may say of its call beside where it goes; README.md explains them. */
const optionNames: readonly string[] = [
  'as',
  'sni',
  'alpn',
  'host',
  'headers',
  'source',
  'forwarded',
  'claims',
  'version',
  'socket',
  'captured',
  'subset',
  'build',
];

interface Target {
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443, tls: 443 };

function targetOf(text: string): Target {
  const found = /^(?:([A-Z]+) )?(\w+):\/\/(\[[^\]]+\]|[^/:]+)(?::(\d+))?(\/.*)?$/.exec(text);
  if (!found) throw new Error(`'${text}' is no call: expected METHOD http://host:port/path, tcp://… or tls://…`);
  const [, method = 'GET', scheme = '', host = '', port, path = '/'] = found;
  return { method, scheme, host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? defaultPorts[scheme]), path };
}

/** Reads an entry. Throws where it is none: a mistyped option would be a call of another kind. */
export function meaningOf(entry: unknown): Meaning {
  const { says, family, from, at, call, gives, ...options } = isFields(entry) ? entry : {};
  const proxy = from ?? at;
  if (typeof says !== 'string' || typeof proxy !== 'string' || typeof call !== 'string' || !isFields(gives))
    throw new Error(`expected says, from or at, call and gives; found ${JSON.stringify(entry)}`);
  const unknown = Object.keys(options).filter(option => !optionNames.includes(option));
  if (unknown.length > 0) throw new Error(`'${says}' says ${unknown}: no call has that`);
  if (family !== undefined && family !== 'ipv4')
    throw new Error(`'${says}' is of the family ${family}: it can be ipv4`);
  return {
    says,
    proxy,
    inbound: from === undefined,
    ofIpv4: family === 'ipv4',
    target: targetOf(call),
    options,
    gives,
  };
}

/** Where nothing of the mesh is: an address for what DNS knows and we do not. */
const elsewhere = (ipv6: boolean): string => (ipv6 ? '2001:db8::99' : '192.0.2.99');

/** The address that takes the place of one of the cluster's own in a cluster of IPv6; what the user chose stays. */
function inIpv6(address: string): string {
  if (address === '127.0.0.1') return '::1';
  return /^10\.(1|96)\./.test(address) ? ipv6Of(address) : address;
}

/** Where a caller with addresses of IPv6 alone, or of IPv4, finds a host. */
function addressOf(world: World, host: string, namespace: string, ipv6: boolean): string {
  if (isIP(host)) return ipv6 ? inIpv6(host) : host;
  const names = [host, `${host}.${namespace}.svc.cluster.local`, `${host}.svc.cluster.local`, `${host}.cluster.local`];
  for (const name of names) {
    const { addresses = [] } = world.mesh.services.find(s => s.hostname === name) ?? {};
    const address = addresses.find(one => one.includes(':') === ipv6) ?? addresses[0];
    if (address) return address;
  }
  return elsewhere(ipv6);
}

const textMap = (value: unknown): Readonly<Record<string, string>> =>
  isFields(value) ? Object.fromEntries(Object.entries(value).map(([key, v]) => [key, String(v)])) : {};

function tlsOf(scheme: string, host: string, options: JsonFields): Call['tls'] {
  const { as, sni, alpn } = options;
  const serverName = typeof sni === 'string' ? sni : '';
  if (typeof as === 'string' && scheme !== 'tls' && scheme !== 'https') return mutualTls(as, serverName);
  if (scheme !== 'tls' && scheme !== 'https') return undefined;
  return {
    sni: serverName || (isIP(host) ? '' : host),
    alpn: Array.isArray(alpn) ? alpn.map(String) : scheme === 'https' ? ['h2', 'http/1.1'] : [],
    ...(typeof as === 'string' && { principal: as }),
  };
}

const namespaceOf = (named: NamedProxy): string => String(member(named.json['metadata'], 'NAMESPACE') ?? '');

/** What the agent's DNS proxy answers for the host that an entry calls; undefined where it does not know, or captures nothing. */
export const dnsOf = ({ target }: Meaning, caller: NamedProxy, { nameTables = [] }: Messages): Answer =>
  member(caller.json['metadata'], 'DNS_CAPTURE') === 'true'
    ? dnsAnswer(nameTables, target.host, namespaceOf(caller))
    : undefined;

type Answer = readonly string[] | undefined;

/** The call that an entry stands for. `gateway`: the proxy listens on the port itself. */
export function callOf(
  { target, inbound, options }: Meaning,
  caller: NamedProxy,
  world: World,
  gateway: boolean,
  dns: Answer,
): Call {
  const { scheme, host, port, path, method } = target;
  const claims = options['claims'];
  const tls = tlsOf(scheme, host, options);
  const [own = ''] = String(member(caller.json['metadata'], 'INSTANCE_IPS') ?? '').split(',');
  const ipv6 = own.includes(':');
  return {
    direction: gateway ? 'gateway' : inbound ? 'inbound' : 'outbound',
    address: gateway && !isIP(host) ? own : (dns?.[0] ?? addressOf(world, host, namespaceOf(caller), ipv6)),
    port,
    ...(typeof options['socket'] === 'string' && { socket: options['socket'] }),
    ...(options['captured'] === false && { captured: false }),
    ...(typeof options['version'] === 'string' && { version: options['version'] }),
    protocol: scheme === 'tcp' || scheme === 'tls' ? 'tcp' : 'http',
    host: String(options['host'] ?? host),
    path,
    method,
    headers: textMap(options['headers']),
    ...(tls && { tls }),
    ...(typeof options['source'] === 'string' && { source: options['source'] }),
    ...(typeof options['subset'] === 'string' && { subset: options['subset'] }),
    ...(typeof options['forwarded'] === 'string' && { forwarded: options['forwarded'] }),
    ...(isFields(claims) && { claims: claims as NonNullable<Call['claims']> }),
  };
}

const rounded = (percents: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(percents).map(([key, percent]) => [key, Number(percent.toFixed(3))]));

const shares = (choices: readonly Choice[] = []): Readonly<Record<string, number>> =>
  rounded(Object.fromEntries(choices.map(({ cluster, percent }) => [cluster, percent])));

const headersInWords = (o: Pick<Outcome, 'requestHeaders' | 'responseHeaders'>): JsonFields => ({
  ...(o.requestHeaders && { set: o.requestHeaders.set, removed: o.requestHeaders.removed }),
  ...(o.responseHeaders && { answers: o.responseHeaders.set, hidden: o.responseHeaders.removed }),
});

/** An outcome in the words of `gives`. */
export function inWords(o: Outcome): JsonFields {
  const used = (o.choices ?? []).filter(c => c.percent > 0);
  return {
    ...o,
    ...(used.length === 1 && !o.failure && { cluster: used[0]?.cluster }),
    ...(o.choices && !o.failure && { clusters: shares(o.choices) }),
    ...(o.shares && { shares: rounded(o.shares) }),
    ...(o.discovery?.length === 1 && { discovery: o.discovery[0] }),
    ...(o.mirrors && { mirrors: shares(o.mirrors) }),
    ...o.response,
    ...headersInWords(o),
    ...(o.destinations && {
      destinations: Object.fromEntries(
        Object.entries(o.destinations).map(([name, own]) => [name, { ...own, ...headersInWords(own) }]),
      ),
    }),
    ...o.fault,
    ...o.listenerPolicy,
    ...o.connectionLimits,
    ...o.requestLimits,
    ...o.istioFilters,
    ...o.manager,
    ...o.routePolicy,
    ...o.tcpPolicy,
    ...o.clusterPolicy,
  };
}
