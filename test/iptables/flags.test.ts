import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { iptables } from '../../src/cli/commands.ts';
import { iptablesSettings } from '../../src/cli/iptables-settings.ts';
import { readArguments } from '../../src/command.ts';
import { accountsHere, nameserversIn } from '../../src/iptables/host.ts';
import type { Rule } from '../../src/iptables/rule.ts';
import { chainsOf, isOwn, jumpOf, restoreText, tablesOf } from '../../src/iptables/rule.ts';
import { rulesOf } from '../../src/iptables/rules.ts';
import { combinationOf } from './combinations.ts';
import { machineOf, ours, settingsOf } from './ours.ts';
import { randomLine } from './random.ts';

/** What is typed (variables before flags), and the sentence that answers it. */
const mistakes: readonly (readonly [line: string, sentence: RegExp])[] = [
  ['-p', /^-p needs a value: -p PORT$/],
  ['-p http', /^-p: 'http'; expected a port from 1 to 65535$/],
  ['-p=0', /^-p: '0'; expected a port/],
  ['--inbound-capture-port 65536', /^--inbound-capture-port: '65536'; expected a port/],
  ['INBOUND_CAPTURE_PORT=x', /^INBOUND_CAPTURE_PORT: 'x'; expected a port/],
  ['-b 80,http', /^-b: 'http'; expected ports with commas between them/],
  ['-b *,80', /^-b: '\*'; expected ports/],
  ['-b 80;reboot', /^-b: '80;reboot'; expected ports/],
  ['-b 80,70000', /^-b: '70000'; expected ports .* up to 65535, the lower one first$/],
  ['-d *', /^-d: '\*'; expected ports/],
  ['-o 1:2:3', /^-o: '1:2:3'; expected ports/],
  ['-q -80', /^-q needs a value, and '-80' looks like an option/],
  ['-i 10.0.0.0', /^-i: '10.0.0.0'; expected 10.0.0.0\/32 for that one address$/],
  ['-i fd00::1', /^-i: 'fd00::1'; expected fd00::1\/128 for that one address$/],
  ['-i 010.0.0.0/8', /^-i: '010.0.0.0\/8'; expected blocks of addresses/],
  ['-i 10.0.0.0/33', /^-i: '10.0.0.0\/33'; expected blocks/],
  ['-i fe80::1%eth0/64', /^-i: 'fe80::1%eth0\/64'; expected blocks/],
  ['-i *,10.0.0.0/8', /^-i: '\*'; expected \* alone, or blocks/],
  ['-x *', /^-x: '\*'; expected \* alone/],
  ['ISTIO_SERVICE_EXCLUDE_CIDR=any', /^ISTIO_SERVICE_EXCLUDE_CIDR: 'any'; expected blocks/],
  ['-b 80:70', /^-b: '80:70'; expected ports .* the lower one first$/],
  ['ISTIO_LOCAL_EXCLUDE_PORTS=23:22', /^ISTIO_LOCAL_EXCLUDE_PORTS: '23:22'; expected ports .* the lower one first$/],
  ['-u 01337', /^-u: '01337'; expected numbers or names of users$/],
  ['-u 4294967295', /^-u: '4294967295'; expected numbers or names of users, up to 4294967294/],
  ['-g 100-50', /^-g: '100-50'; expected numbers or names of groups, .* the lower one first$/],
  ['ISTIO_OUTBOUND_OWNER_GROUPS=5,99999999999', /^ISTIO_OUTBOUND_OWNER_GROUPS: '99999999999'; expected numbers/],
  ['-c +', /^-c: '\+'; expected names of interfaces/],
  ['-k äöüäöüäö', /^-k: 'äöüäöüäö'; expected names of interfaces of at most 15 bytes/],
  ['-m NONE', /^-m: 'NONE'; expected REDIRECT or TPROXY$/],
  ['-m tproxy', /^-m: 'tproxy'; expected REDIRECT or TPROXY$/],
  ['-u istio,proxy!', /^-u: 'proxy!'; expected numbers or names of users$/],
  ['-g -j', /^-g needs a value/],
  ['-c eth0/x', /^-c: 'eth0\/x'; expected names of interfaces of at most 15 bytes/],
  ['-c sixteen-letters0', /^-c: 'sixteen-letters0'; expected names of interfaces/],
  ['-k !lo', /^-k: '!lo'; expected names of interfaces/],
  ['-t 0x539', /^-t: '0x539'; expected a mark from 1 to 4294967295$/],
  ['-r main', /^-r: 'main'; expected a routing table from 1/],
  ['--probe-timeout 5', /^--probe-timeout: '5'; expected a duration up to 1h, such as 5s or 500ms$/],
  ['--probe-timeout=-5s', /^--probe-timeout: '-5s'; expected a duration/],
  ['--probe-timeout 1d', /^--probe-timeout: '1d'; expected a duration/],
  ['--iptables-probe-port 0', /^--iptables-probe-port: '0'; expected a port/],
  ['--dry-run=maybe', /^--dry-run takes no value but true or false$/],
  ['DRY_RUN=maybe', /^DRY_RUN takes no value but true or false$/],
  ['ISTIO_META_DNS_CAPTURE=yes', /^ISTIO_META_DNS_CAPTURE takes no value/],
  ['--force-iptables-binary ebtables', /^--force-iptables-binary: 'ebtables'; expected legacy or nft$/],
  ['--native-nftables', /^--native-nftables: not supported; without it rules are for iptables/],
  ['NATIVE_NFTABLES=true', /^NATIVE_NFTABLES: not supported/],
  [
    'ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=10.0.0.0/8',
    /^ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '10.0.0.0\/8'; expected a block of IPv4 loopback/,
  ],
  ['ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=127.0.0.1/7', /^ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: /],
  [
    `ISTIO_OUTBOUND_OWNER_GROUPS=${Array.from({ length: 65 }, (_, i) => i)}`,
    /^ISTIO_OUTBOUND_OWNER_GROUPS: 65 groups; there can be 64$/,
  ],
  ['ISTIO_OUTBOUND_OWNER_GROUPS=*,5', /^ISTIO_OUTBOUND_OWNER_GROUPS: '\*'; expected numbers or names of groups$/],
  ['--istio-inbound-port 80', /^unknown option --istio-inbound-port; did you mean --istio-inbound-ports\?$/],
  ['-y', /^unknown option -y/],
  ['-b 80 443', /^unexpected '443'; the usage is: pilotlight iptables \[OPTIONS\]$/],
];

describe('flags of pilotlight iptables', () => {
  for (const [line, sentence] of mistakes)
    test(`a mistake: ${line.slice(0, 60)}`, () => {
      assert.throws(() => ours(combinationOf(line)), { name: 'UsageError', message: sentence });
    });

  test('variables that Kubernetes makes of Services, and empty ones, are none of ours', () => {
    const line = 'INBOUND_CAPTURE_PORT=tcp://10.96.0.7:80 DRY_RUN= INBOUND_TUNNEL_PORT= -b *';
    assert.equal(ours(combinationOf(line)), ours(combinationOf('-b *')));
    assert.equal(settingsOf(combinationOf('DRY_RUN= -b *')).dryRun, false);
  });

  test('a flag beats a variable, the last of two beats the first, spaces between entries are none', () => {
    assert.equal(ours(combinationOf('ISTIO_INBOUND_PORTS=80 -b 443')), ours(combinationOf('-b 443')));
    assert.equal(ours(combinationOf('-b 80 --istio-inbound-ports=443')), ours(combinationOf('-b 443')));
    assert.equal(ours({ machine: 'ipv4', env: {}, args: ['-b', ' 80 , 443 '] }), ours(combinationOf('-b 80,443')));
    for (const line of ['DRY_RUN=true --dry-run=false', 'DRY_RUN=true -n=false'])
      assert.equal(settingsOf(combinationOf(line)).dryRun, false, line);
  });

  test('whose the proxy is: no user is called by an empty name, and a list of nobody leaves the default', () => {
    for (const line of ['ENVOY_USER= -b *', 'ENVOY_USER=no-such-user -b *', '-u , -g ,', 'PROXY_UID=\t -b *'])
      assert.deepEqual(settingsOf(combinationOf(line)).capture.proxyUsers, ['1337'], line);
    const { users, groups } = accountsHere();
    for (const [name, id] of [...users, ...groups]) assert.match(`${name}:${id}`, /^[^:\s]+:\d+$/);
    assert.equal(users.get('root'), '0');
  });

  test('durations are those of Go', () => {
    for (const [text, ms] of [
      ['1m30s', 90_000],
      ['+5s', 5000],
      ['.5s', 500],
      ['1500μs', 2],
      ['1500µs', 2],
      ['1us', 1],
    ] as const)
      assert.equal(
        settingsOf(combinationOf(`--run-validation --probe-timeout ${text}`)).validation?.timeoutMs,
        ms,
        text,
      );
  });

  test('the servers of resolv.conf are those that Go, and so Istio, finds', () => {
    const text =
      '# nameserver 1.1.1.1\n;nameserver 2.2.2.2\n\ufeffnameserver 2.2.2.3\n  nameserver\t3.3.3.3   # note\nnameserver 4.4.4.4#x\nNAMESERVER 5.5.5.5\n' +
      'nameserver6 6.6.6.6\nnameserver\nnameserver 7.7.7.7\r\nnameserver\f7.7.7.8\nnameserver\u00857.7.7.9\nnameserver dns.example\nnameserver 010.0.0.1\n' +
      'nameserver FD00:0:0::A\nnameserver ::ffff:10.0.0.1\nnameserver 7.7.7.7 8.8.8.8\nsearch a b\nnameserver 9.9.9.9';
    assert.deepEqual(nameserversIn(text), [
      ...['3.3.3.3', '7.7.7.7', '7.7.7.8', '7.7.7.9', 'fd00::a', '::ffff:10.0.0.1', '7.7.7.7', '9.9.9.9'],
    ]);
  });

  test('without a DNS server DNS is not captured, and that is said', () => {
    const machine = { ...machineOf(combinationOf('')), nameservers: () => [] };
    const { capture, warnings } = iptablesSettings(readArguments(iptables, ['--redirect-dns']), machine);
    assert.deepEqual(capture.dns, []);
    assert.match(warnings.join(), /names no DNS server, so DNS is not captured/);
  });
});

/** Whether a rule of a chain lets the proxy's own traffic go, or captures what is left. */
const at = (rules: readonly Rule[], spec: RegExp): number => rules.findIndex(rule => spec.test(rule.spec));

test('whatever the flags: each chain that is jumped to is made once, and the proxy never captures itself', () => {
  let compared = 0;
  fc.assert(
    fc.property(randomLine, line => {
      const combination = combinationOf(line);
      const { capture, versions } = settingsOf(combination);
      for (const version of versions) {
        const rules = rulesOf(capture, version);
        for (const [table, own] of tablesOf(rules)) {
          const text = restoreText(own);
          for (const chain of [
            ...own.map(rule => rule.chain).filter(isOwn),
            ...own.flatMap(rule => jumpOf(rule) ?? []),
          ])
            assert.equal(text.split(`-N ${chain}\n`).length, 2, `${line}: ${table} ${chain}`);
          assert.ok(chainsOf(own).length > 0);
        }
        const output = rules.filter(({ table, chain }) => table === 'nat' && chain === 'ISTIO_OUTPUT');
        const captured = at(output, / -j ISTIO_(REDIRECT|OUTPUT_DNS)$|^-j ISTIO_/);
        for (const owner of [
          ...capture.proxyUsers.map(id => `uid-owner ${id}`),
          ...capture.proxyGroups.map(id => `gid-owner ${id}`),
        ]) {
          const let_go = at(output, new RegExp(`^-m owner --${owner} -j RETURN$`));
          assert.ok(let_go >= 0 && (captured < 0 || let_go < captured), `${line}: ${owner}`);
        }
        compared++;
      }
    }),
  );
  assert.ok(compared >= 100);
});
