import fc from 'fast-check';

const maybe = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof(fc.constant(''), arbitrary);

const listOf = (arbitrary: fc.Arbitrary<string>, maxLength = 3): fc.Arbitrary<string> =>
  fc.array(arbitrary, { minLength: 1, maxLength }).map(list => list.join(','));

const port = fc.oneof(fc.constantFrom('53', '80', '15008', '15090'), fc.integer({ min: 1, max: 65535 }).map(String));
const portOrRange = fc.oneof(port, fc.constant('9000:9010'));
const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([address, bits]) => `${address}/${bits}`);
const ipv6 = fc
  .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
  .map(([address, bits]) => `${address.toUpperCase()}/${bits}`);
const range = fc.oneof(ipv4, ipv6, fc.constantFrom('127.0.0.1/32', '::1/128', '10.0.0.0/8', '::ffff:127.0.0.1/104'));
const owner = fc.oneof(fc.integer({ min: 0, max: 65535 }).map(String), fc.constantFrom('1337', '100-200'));
const device = fc.constantFrom('eth0', 'eth1', 'net1', 'tap+', 'not-istio-nic');

const option = (flag: string, values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  maybe(values.map(value => `${flag} ${value}`));

const variable = (name: string, values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  maybe(values.map(value => `${name}=${value}`));

/** Any flags of `istio-iptables`, on any machine, as a line of the table. */
export const randomLine: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', 'ipv6', 'dual'),
    variable('ISTIO_OUTBOUND_OWNER_GROUPS', fc.oneof(fc.constant('*'), listOf(owner), fc.constant(''))),
    variable('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', listOf(owner)),
    variable('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR', fc.constantFrom('127.0.0.0/8', '127.1.0.1/16')),
    fc.constantFrom('', 'ISTIO_META_DNS_CAPTURE=true', 'INVALID_DROP=T ISTIO_DUAL_STACK=1'),
    option('-b', fc.oneof(fc.constant('*'), listOf(portOrRange))),
    option('-d', listOf(portOrRange)),
    option('-i', fc.oneof(fc.constant('*'), listOf(range))),
    option('-x', listOf(range)),
    option('-q', listOf(portOrRange)),
    option('-o', listOf(portOrRange)),
    option('-c', listOf(device, 2)),
    option('-k', listOf(device, 2)),
    option('-u', listOf(owner, 2)),
    option('-g', listOf(owner, 2)),
    fc.constantFrom('', '-m REDIRECT', '-m TPROXY', '-m TPROXY -t 77 -r 88'),
    option('-p', port),
    option('-z', port),
    option('-e', port),
    fc.subarray(['--redirect-dns', '--capture-all-dns', '--drop-invalid', '--dual-stack']).map(list => list.join(' ')),
  )
  .map(words => words.filter(Boolean).join(' '));
