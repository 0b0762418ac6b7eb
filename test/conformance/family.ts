import type { RawObject } from '../../src/config/raw.ts';
import { isFields, type JsonFields, member, members } from '../support/json.ts';

/** Which families of addresses a cluster has: its pods, its Services, and so its proxies. */
export const families = ['ipv4', 'ipv6', 'dual'] as const;
export type Family = (typeof families)[number];

export const isFamily = (text: string): text is Family => families.some(family => family === text);

/** Where the API server takes addresses of Services from: {@link ipv6Of} of the IPv4 range stands beside it. */
export const SERVICE_RANGES = '10.96.0.0/16,fd00::10:96:0:0/96';

/** The IPv6 address that stands for one of IPv4, its digits unchanged: `10.96.1.10` is `fd00::10:96:1:10`. */
export const ipv6Of = (ipv4: string): string => `fd00::${ipv4.replaceAll('.', ':')}`;

/** Addresses of IPv6 that say what these of IPv4 say. */
const SAME: readonly (readonly [ipv6: string, ipv4: string])[] = [
  ['::', '0.0.0.0'],
  ['::1', '127.0.0.1'],
  ['2001:db8::99', '192.0.2.99'],
];

/** A text with the addresses of IPv4 that those of IPv6 in it stand for. */
export function inIpv4(text: string): string {
  const own = text.replaceAll(/\[?fd00::(\d+):(\d+):(\d+):(\d+)\]?/g, '$1.$2.$3.$4');
  // What follows an address is the end, the underscore of a listener's name, or a port after a bracket.
  return SAME.reduce(
    (before, [ipv6, ipv4]) =>
      before.replaceAll(new RegExp(`(?<![\\w:])\\[?${ipv6}\\]?(?![0-9a-f]|:[0-9a-f]*:)`, 'g'), ipv4),
    own,
  );
}

const isIpv4 = (value: unknown): value is string => typeof value === 'string' && /^\d+(\.\d+){3}$/.test(value);

const both = (address: string): readonly string[] => [address, ipv6Of(address)];

function podOf(pod: RawObject, family: Family): RawObject {
  const status = pod['status'];
  const given = members(member(status, 'podIPs')).flatMap(({ ip }) => (isIpv4(ip) ? [ip] : []));
  if (!isFields(status) || given.length === 0) return pod;
  const ips = given.flatMap(ip => (family === 'dual' ? both(ip) : [ipv6Of(ip)]));
  return { ...pod, status: { ...status, podIP: ips[0], podIPs: ips.map(ip => ({ ip })) } };
}

function serviceOf(service: RawObject, family: Family): RawObject {
  const spec = service['spec'];
  if (!isFields(spec) || spec['type'] === 'ExternalName') return service;
  const { clusterIP } = spec;
  const given = isIpv4(clusterIP) ? (family === 'dual' ? both(clusterIP) : [ipv6Of(clusterIP)]) : [];
  const addresses: JsonFields = given.length > 0 ? { clusterIP: given[0], clusterIPs: given } : {};
  const policy: JsonFields =
    family === 'dual'
      ? { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }
      : { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] };
  return { ...service, spec: { ...spec, ...policy, ...addresses } };
}

/** One that somebody wrote; those of pods are Kubernetes' own. */
function sliceOf(slice: RawObject): RawObject {
  if (slice['addressType'] !== 'IPv4') return slice;
  const endpoints = members(slice['endpoints']).map(endpoint => {
    const { addresses } = endpoint;
    const list: readonly unknown[] = Array.isArray(addresses) ? addresses : [];
    return { ...endpoint, addresses: list.map(address => (isIpv4(address) ? ipv6Of(address) : address)) };
  });
  return { ...slice, addressType: 'IPv6', endpoints };
}

function inOtherFamily(object: RawObject, family: Family): RawObject {
  switch (object.kind) {
    case 'Pod':
      return podOf(object, family);
    case 'Service':
      return serviceOf(object, family);
    case 'EndpointSlice':
      return family === 'ipv6' ? sliceOf(object) : object;
    default:
      return object;
  }
}

/** The objects as they would be in a cluster of a family. What users wrote of addresses outside Kubernetes stays. */
export const inFamily = (objects: readonly RawObject[], family: Family): readonly RawObject[] =>
  family === 'ipv4' ? objects : objects.map(object => inOtherFamily(object, family));
