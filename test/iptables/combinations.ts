/** Which addresses the machine has. Its DNS servers are 10.96.0.10, 10.96.0.11 and fd00:96::a, each where it has the family. */
export type MachineKind = 'ipv4' | 'ipv6' | 'dual';

/** Flags of `istio-iptables`, and what the machine is like. */
export interface Combination {
  readonly machine: MachineKind;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** `dual ISTIO_DUAL_STACK=true -b * -x ''`: the machine (IPv4 where it is not named), variables, flags. */
export function combinationOf(line: string): Combination {
  const words = line
    .split(' ')
    .filter(Boolean)
    .map(word => (word === "''" ? '' : word));
  const machine = words[0] === 'ipv6' || words[0] === 'dual' ? words[0] : 'ipv4';
  if (machine !== 'ipv4') words.shift();
  const firstFlag = words.findIndex(word => !/^[A-Z][A-Z_0-9]+=/.test(word));
  const set = words.splice(0, firstFlag < 0 ? words.length : firstFlag);
  return {
    machine,
    args: words,
    env: Object.fromEntries(set.map(word => word.split(/=(.*)/s, 2)) as [string, string][]),
  };
}

/** What the webhook of Istio gives the init container by default, but for what stands behind. */
const injected = "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x '' -b * -d 15090,15021,15020";
const all = '-b * -i *';
const tproxy = `-m TPROXY ${all}`;
const dns = `${all} --redirect-dns`;
const groups = (count: number): string => Array.from({ length: count }, (_, i) => 2000 + i).join(',');

/** The table, by what it is about. */
export const combinations: Readonly<Record<string, readonly string[]>> = {
  defaults: [
    '',
    injected,
    `dual ${injected}`,
    `ipv6 ${injected}`,
    `dual ${injected} --dual-stack`,
    `${injected} --dual-stack`,
    `ipv6 ${injected} --dual-stack`,
    `${injected} --log_output_level=default:info`,
    `${injected} --reconcile --force-apply`,
    '-p15011 -z=15016 -e 15018',
    '--envoy-port 15011 --inbound-capture-port=15016 --inbound-tunnel-port 15018 -b *',
    '--istio-inbound-ports=* --istio-service-cidr=*',
    '-b 80 -b 81',
  ],
  'inbound ports': [
    '-b *',
    '-b 80',
    '-b 80,443,9080',
    '-b 80 -d 15090',
    '-b * -d 22',
    '-b * -d 22,80,15020',
    '-b * -d 9000:9010',
    '-b 9000:9010,80',
    "-b ''",
    '-d 22',
    'ipv6 -b 80,443',
    'dual -b * -d 22 --dual-stack',
    '-b 0',
    '-b 80,,443,',
  ],
  'outbound ports': [
    `${all} -o 3306`,
    `${all} -o 3306,6379`,
    `${all} -o 53`,
    '-q 80',
    '-q 80,443 -i 10.96.0.0/12',
    `${all} -q 80,443 -o 80`,
    'ipv6 -q 80 -o 3306 -b *',
    'dual -q 80 -o 3306 --dual-stack',
  ],
  'outbound ranges': [
    '-i *',
    '-i 10.0.0.0/8',
    '-i 10.0.0.0/8,172.16.0.0/12',
    '-i 10.1.2.3/8',
    '-i 10.1.2.3/32',
    '-i 0.0.0.0/0',
    '-i * -x 169.254.169.254/32',
    '-i * -x 10.0.0.0/8,192.168.0.0/16',
    '-i 10.0.0.0/8 -x 10.1.0.0/16',
    '-i 127.0.0.1/32',
    '-i 10.0.0.0/8,127.1.2.3/32 -b *',
    '-i fd00::/8',
    'dual -i 10.0.0.0/8,fd00::/8 --dual-stack',
    'dual -i FD00:0:0:1::/64,::1/128 -x fd00:0::9/128,10.0.0.0/8 --dual-stack -b *',
    'ipv6 -i ::/0',
    'ipv6 -i ::ffff:10.0.0.0/104,::1.2.3.4/120',
    'ipv6 -i ::ffff:127.0.0.1/128',
    "-x 10.0.0.0/8 -i ''",
    '-i 10.0.0.0/8,,',
  ],
  'proxy and groups': [
    `${all} -u 1000`,
    `${all} -u 1000 -g 2000`,
    `${all} -g 2000`,
    `${all} -u 3,4 -g 1,2`,
    `dual ${all} -u 3,4 -g 1,2 --dual-stack`,
    `ENVOY_USER=daemon ${all}`,
    `ENVOY_USER=nobody-of-this-name ${all}`,
    `${all} -u 1000-2000`,
    `ISTIO_OUTBOUND_OWNER_GROUPS=java,202 ${all}`,
    `ISTIO_OUTBOUND_OWNER_GROUPS=202 ${all}`,
    `ISTIO_OUTBOUND_OWNER_GROUPS= ${all}`,
    `ISTIO_OUTBOUND_OWNER_GROUPS=${groups(64)} -i *`,
    `ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=ssh,888 ${all}`,
    `ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=${groups(80)} -i *`,
    `ISTIO_OUTBOUND_OWNER_GROUPS=1 ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=2 ${all}`,
    `ipv6 ISTIO_OUTBOUND_OWNER_GROUPS=java,202 ${all}`,
    `ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=127.0.0.0/8 ${all}`,
    `dual ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=127.1.2.3/16 ${tproxy} --dual-stack`,
  ],
  interfaces: [
    `${all} -c eth1`,
    `${all} -c eth1,net2`,
    `${tproxy} -c eth1,net2`,
    `dual ${tproxy} -c not-istio-nic --dual-stack`,
    `${all} -k eth1`,
    `${all} -k eth1,eth2`,
    '-i 10.0.0.0/8,9.9.0.0/16 -k eth1,eth2 -b *',
    'dual -i 10.0.0.0/8,fd00::/8 -k eth1 --dual-stack',
    '-k eth1',
    `ipv6 ${all} -k eth1,eth2 -c eth3`,
    `${tproxy} -k tap+`,
    `${all} -c eth1 -k eth1`,
  ],
  tproxy: [
    tproxy,
    `${tproxy} -d 15090,15021,15020`,
    '-m TPROXY -b 80,443 -i *',
    '-m TPROXY -i *',
    '-m TPROXY',
    `${tproxy} -t 1400 -r 200`,
    `${tproxy} -z 15016`,
    `${tproxy} -u 3,4 -g 1,2`,
    `ipv6 ${tproxy} -d 22`,
    `dual ${tproxy} -d 22 --dual-stack`,
    `${tproxy} --drop-invalid`,
    `${tproxy} --redirect-dns --capture-all-dns`,
    `dual -m TPROXY -b 9000:9010,80 --drop-invalid --redirect-dns --dual-stack -c eth1 -k eth2 -o 3306 -q 80 -i 10.0.0.0/8`,
    `ISTIO_INBOUND_INTERCEPTION_MODE=TPROXY ${all}`,
  ],
  dns: [
    dns,
    `${dns} --capture-all-dns`,
    `ipv6 ${dns}`,
    `ipv6 ${dns} --capture-all-dns`,
    `dual ${dns}`,
    `dual ${dns} --dual-stack`,
    `dual ${dns} --dual-stack --capture-all-dns`,
    `${dns} -u 3,4 -g 1,2`,
    `dual ${dns} --dual-stack --capture-all-dns -u 3,4 -g 1,2`,
    `${all} --capture-all-dns`,
    `ISTIO_META_DNS_CAPTURE=true ${all}`,
    `REDIRECT_DNS=true ISTIO_META_DNS_CAPTURE=false ${all}`,
    `ISTIO_META_DNS_CAPTURE=true ${all} --redirect-dns=false`,
    `ISTIO_OUTBOUND_OWNER_GROUPS=java,202 ${dns}`,
    `dual ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=ssh,888 ${dns} --dual-stack`,
    `${dns} -e 15018`,
    `${dns} -i 127.0.0.1/32`,
    `-b * -i 10.96.0.0/16 --redirect-dns -o 53`,
    '--redirect-dns',
  ],
  others: [
    `${all} --drop-invalid`,
    `INVALID_DROP=1 ${all}`,
    `DROP_INVALID=true INVALID_DROP=F ${all}`,
    `${all} --drop-invalid=t`,
    `dual ${all} --drop-invalid --dual-stack`,
    `dual ISTIO_DUAL_STACK=true ${all}`,
    `dual DUAL_STACK=TRUE ${all}`,
    `ISTIO_INBOUND_PORTS=* ISTIO_SERVICE_CIDR=* ISTIO_LOCAL_EXCLUDE_PORTS=15090,15021 INBOUND_CAPTURE_PORT=15016 PROXY_UID=5 PROXY_GID=6`,
    `ISTIO_INBOUND_PORTS=80 -b *`,
    `ISTIO_SERVICE_EXCLUDE_CIDR=10.0.0.0/8 ISTIO_OUTBOUND_PORTS=80 ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE=81 KUBE_VIRT_INTERFACES=eth1 ISTIO_EXCLUDE_INTERFACES=eth2 -i *`,
    `ENVOY_PORT=15011 ${all}`,
    `INBOUND_TUNNEL_PORT=15018 ${all}`,
    `ISTIO_INBOUND_TPROXY_MARK=7 ISTIO_INBOUND_TPROXY_ROUTE_TABLE=8 ${tproxy}`,
    `${all} --cni-mode --network-namespace=/proc/self/ns/net`,
    `${all} --force-iptables-binary=legacy`,
    `${all} --force-iptables-binary nft --skip-rule-apply=false`,
    `${all} --cleanup-only`,
    `${all} --skip-rule-apply`,
  ],
};
