import { type Capture, capturesDns, type Family, ownersOf } from './capture.ts';
import { DNS_PORT, dnsRedirects } from './dns.ts';
import { type Rule, ruleOf } from './rule.ts';

const nat = ruleOf('nat');

/**
 * The nat table: who is sent to the proxy. What comes in goes from PREROUTING through ISTIO_INBOUND to ISTIO_IN_REDIRECT (15006), what goes
 * out from OUTPUT through ISTIO_OUTPUT to ISTIO_REDIRECT (15001). RETURN means: not through the proxy.
 */
export function natRules(capture: Capture, family: Family): readonly Rule[] {
  const { excludedInterfaces, virtualInterfaces, tunnelPort, outboundPort, inboundPort } = capture;
  return [
    ...excludedInterfaces.flatMap(name => [
      nat('PREROUTING', `-i ${name} -j RETURN`),
      nat('OUTPUT', `-o ${name} -j RETURN`),
    ]),
    ...virtualInterfaces.map(name => nat('PREROUTING', `-i ${name} -j RETURN`, 1)),
    // HBONE is for the proxy to begin with.
    nat('ISTIO_INBOUND', `-p tcp --dport ${tunnelPort} -j RETURN`),
    nat('ISTIO_REDIRECT', `-p tcp -j REDIRECT --to-ports ${outboundPort}`),
    nat('ISTIO_IN_REDIRECT', `-p tcp -j REDIRECT --to-ports ${inboundPort}`),
    ...inbound(capture),
    ...outbound(capture, family),
  ];
}

/** ISTIO_INBOUND; with TPROXY it is the mangle table's. */
function inbound({ interception, inboundPorts, excludedInboundPorts }: Capture): readonly Rule[] {
  if (interception === 'TPROXY' || inboundPorts.length === 0) return [];
  const captured =
    inboundPorts === '*'
      ? [
          ...excludedInboundPorts.map(port => nat('ISTIO_INBOUND', `-p tcp --dport ${port} -j RETURN`)),
          nat('ISTIO_INBOUND', '-p tcp -j ISTIO_IN_REDIRECT'),
        ]
      : inboundPorts.map(port => nat('ISTIO_INBOUND', `-p tcp --dport ${port} -j ISTIO_IN_REDIRECT`));
  return [nat('PREROUTING', '-p tcp -j ISTIO_INBOUND'), ...captured];
}

/** ISTIO_OUTPUT. */
function outbound(capture: Capture, family: Family): readonly Rule[] {
  const { excludedOutboundPorts, outboundPorts } = capture;
  return [
    nat('OUTPUT', '-j ISTIO_OUTPUT'),
    ...excludedOutboundPorts.flatMap(port => [
      nat('ISTIO_OUTPUT', `-p tcp --dport ${port} -j RETURN`),
      nat('ISTIO_OUTPUT', `-p udp --dport ${port} -j RETURN`),
    ]),
    // What the inbound proxy passes on to the application.
    nat('ISTIO_OUTPUT', `-o lo -s ${family.passthrough} -j RETURN`),
    ...ownersOf(capture).flatMap(owner => proxysOwn(capture, family, owner)),
    ...byOwnerGroup(capture),
    ...dnsRedirects(capture, family),
    // Who says localhost means it.
    nat('ISTIO_OUTPUT', `-d ${family.loopback} -j RETURN`),
    ...family.excludedRanges.map(range => nat('ISTIO_OUTPUT', `-d ${range} -j RETURN`)),
    ...outboundPorts.map(port => nat('ISTIO_OUTPUT', `-p tcp --dport ${port} -j ISTIO_REDIRECT`)),
    ...byRange(capture, family),
  ];
}

/** What the proxy itself sends, known by its user or its group. */
function proxysOwn(capture: Capture, { loopback }: Family, owner: string): readonly Rule[] {
  const { tunnelPort, outboundRanges } = capture;
  const dns = capturesDns(capture);
  // The resolver's own questions must not come in again as the application's. Istio asks that of the user's rule alone.
  const but =
    dns && owner.startsWith('--uid-owner')
      ? `-m multiport ! --dports ${DNS_PORT},${tunnelPort}`
      : `! --dport ${tunnelPort}`;
  const capturesLoopback = outboundRanges !== '*' && outboundRanges.some(range => range.isLoopback);
  return [
    // The application called its own Service: proxy (client) to proxy (server) to application.
    nat('ISTIO_OUTPUT', `-o lo ! -d ${loopback} -p tcp ${but} -m owner ${owner} -j ISTIO_IN_REDIRECT`),
    // The application calls itself by the pod's address. A DNS server on the loopback interface is captured all the same.
    ...(capturesLoopback
      ? []
      : [nat('ISTIO_OUTPUT', `-o lo ${dns ? `-p tcp ! --dport ${DNS_PORT} ` : ''}-m owner ! ${owner} -j RETURN`)]),
    // All else that the proxy sends, of any protocol, is on its way.
    nat('ISTIO_OUTPUT', `-m owner ${owner} -j RETURN`),
  ];
}

/** Whose traffic is captured, by group. */
function byOwnerGroup({ ownerGroups, excludedOwnerGroups }: Capture): readonly Rule[] {
  if (ownerGroups === '*')
    return excludedOwnerGroups.map(group => nat('ISTIO_OUTPUT', `-m owner --gid-owner ${group} -j RETURN`));
  // No group at all leaves a rule without a condition: nothing is captured.
  return [nat('ISTIO_OUTPUT', [...ownerGroups.map(group => `-m owner ! --gid-owner ${group}`), '-j RETURN'].join(' '))];
}

/** Which addresses are captured, also for virtual machines in the pod. */
function byRange({ virtualInterfaces }: Capture, { ranges }: Family): readonly Rule[] {
  if (ranges === '*')
    return [
      nat('ISTIO_OUTPUT', '-j ISTIO_REDIRECT'),
      ...virtualInterfaces.map(name => nat('PREROUTING', `-i ${name} -j ISTIO_REDIRECT`, 1)),
    ];
  return ranges.flatMap(range => [
    ...virtualInterfaces.map(name => nat('PREROUTING', `-i ${name} -d ${range} -j ISTIO_REDIRECT`, 1)),
    nat('ISTIO_OUTPUT', `-d ${range} -j ISTIO_REDIRECT`),
  ]);
}
