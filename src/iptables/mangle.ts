import { type Capture, type Family, ownersOf } from './capture.ts';
import { type Rule, ruleOf } from './rule.ts';

const mangle = ruleOf('mangle');

/** Marks what the outbound proxy sends to the inbound one of the same pod. */
const OUTBOUND_MARK = 1338;

/** The mangle table: invalid packets, and TPROXY, which hands connections to the proxy with their addresses as they are. */
export function mangleRules(capture: Capture, family: Family): readonly Rule[] {
  const { interception, excludedInterfaces, dropInvalid } = capture;
  const transparent = interception === 'TPROXY';
  return [
    ...(transparent
      ? excludedInterfaces.flatMap(name => [
          mangle('PREROUTING', `-i ${name} -j RETURN`),
          mangle('OUTPUT', `-o ${name} -j RETURN`),
        ])
      : []),
    // A packet out of its window is dropped; the kernel would reset the connection.
    ...(dropInvalid
      ? [mangle('PREROUTING', '-m conntrack --ctstate INVALID -j ISTIO_DROP'), mangle('ISTIO_DROP', '-j DROP')]
      : []),
    ...(transparent ? [...inbound(capture, family), ...marks(capture, family)] : []),
  ];
}

/** ISTIO_INBOUND: to ISTIO_DIVERT what belongs to a connection that the proxy has, to ISTIO_TPROXY what begins one. */
function inbound(capture: Capture, { loopback }: Family): readonly Rule[] {
  const { inboundPorts, excludedInboundPorts, tproxyMark, inboundPort } = capture;
  if (inboundPorts.length === 0) return [];
  const captured = (port: string): readonly Rule[] => [
    mangle('ISTIO_INBOUND', `-p tcp${port} -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT`),
    mangle('ISTIO_INBOUND', `-p tcp${port} -j ISTIO_TPROXY`),
  ];
  return [
    // What bears the mark is routed to the loopback interface (routes.ts).
    mangle('ISTIO_DIVERT', `-j MARK --set-mark ${tproxyMark}`),
    mangle('ISTIO_DIVERT', '-j ACCEPT'),
    mangle(
      'ISTIO_TPROXY',
      `! -d ${loopback} -p tcp -j TPROXY --tproxy-mark ${tproxyMark}/0xffffffff --on-port ${inboundPort}`,
    ),
    mangle('PREROUTING', '-p tcp -j ISTIO_INBOUND'),
    ...(inboundPorts === '*'
      ? [
          ...excludedInboundPorts.map(port => mangle('ISTIO_INBOUND', `-p tcp --dport ${port} -j RETURN`)),
          ...captured(''),
        ]
      : inboundPorts.flatMap(port => captured(` --dport ${port}`))),
  ];
}

/** What TPROXY needs to know to make use of its mark. */
type Marked = Pick<Capture, 'tproxyMark' | 'proxyUsers' | 'proxyGroups'>;

/** The mark of a connection goes with its packets in both directions, and keeps them out of the proxy a second time. */
export function marks(
  capture: Marked,
  { loopback, passthrough }: Pick<Family, 'loopback' | 'passthrough'>,
): readonly Rule[] {
  const { tproxyMark } = capture;
  return [
    // Envoy's original_src filter marks what it sends to the application; the answers must come back through it.
    mangle('PREROUTING', `-p tcp -m mark --mark ${tproxyMark} -j CONNMARK --save-mark`),
    mangle('OUTPUT', `-p tcp -o lo -m mark --mark ${tproxyMark} -j RETURN`),
    // The application called its own Service: the outbound proxy's connection to the inbound one.
    ...ownersOf(capture).map(owner =>
      mangle('OUTPUT', `! -d ${loopback} -p tcp -o lo -m owner ${owner} -j MARK --set-mark ${OUTBOUND_MARK}`),
    ),
    mangle('OUTPUT', `-p tcp -m connmark --mark ${tproxyMark} -j CONNMARK --restore-mark`),
    mangle('ISTIO_INBOUND', `-p tcp -m mark --mark ${tproxyMark} -j RETURN`, 1),
    mangle('ISTIO_INBOUND', `-p tcp -s ${passthrough} -i lo -j RETURN`, 2),
    // The application calls itself by the pod's address.
    mangle('ISTIO_INBOUND', `-p tcp -i lo -m mark ! --mark ${OUTBOUND_MARK} -j RETURN`, 3),
  ];
}
