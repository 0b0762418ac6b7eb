import { type Capture, capturesDns, type Family, ownersOf } from './capture.ts';
import { type Rule, ruleOf } from './rule.ts';

const nat = ruleOf('nat');
const raw = ruleOf('raw');

export const DNS_PORT = 53;

/** Where the proxy's resolver listens. */
const RESOLVER_PORT = 15053;

/** Conntrack's zones: what the resolver asks upstream, and what applications ask it. Without them answers meet the wrong question. */
const UPSTREAM = 'CT --zone 1';
const CLIENT = 'CT --zone 2';

/** The servers of a family as part of a rule: nothing where it is about all of them, no rule where there are none. */
const each = ({ nameservers, bits }: Family, flag: '-d' | '-s'): readonly string[] =>
  nameservers === '*' ? [''] : nameservers.map(server => ` ${flag} ${server}/${bits}`);

/** ISTIO_OUTPUT_DNS of the nat table: questions go to the resolver. */
export function dnsRedirects(capture: Capture, family: Family): readonly Rule[] {
  if (!capturesDns(capture) || family.nameservers.length === 0) return [];
  const to = each(family, '-d');
  return [
    nat('ISTIO_OUTPUT', '-j ISTIO_OUTPUT_DNS'),
    ...to.map(server =>
      nat('ISTIO_OUTPUT_DNS', `-p tcp --dport ${DNS_PORT}${server} -j REDIRECT --to-ports ${RESOLVER_PORT}`),
    ),
    ...to.map(server =>
      nat('ISTIO_OUTPUT_DNS', `-p udp --dport ${DNS_PORT}${server} -j REDIRECT --to-port ${RESOLVER_PORT}`),
    ),
  ];
}

/** The raw table: UDP of applications and of the resolver is tracked apart. */
export function dnsZones(capture: Capture, family: Family): readonly Rule[] {
  if (!capturesDns(capture)) return [];
  const [questions, answers] = [each(family, '-d'), each(family, '-s')];
  return [
    raw('OUTPUT', '-j ISTIO_OUTPUT_DNS'),
    ...ownersOf(capture).flatMap(owner => [
      raw('ISTIO_OUTPUT_DNS', `-p udp --dport ${DNS_PORT} -m owner ${owner} -j ${UPSTREAM}`),
      raw('ISTIO_OUTPUT_DNS', `-p udp --sport ${RESOLVER_PORT} -m owner ${owner} -j ${CLIENT}`),
    ]),
    ...(questions.length === 0 ? [] : [raw('PREROUTING', '-j ISTIO_INBOUND')]),
    ...questions.flatMap((question, i) => [
      raw('ISTIO_OUTPUT_DNS', `-p udp --dport ${DNS_PORT}${question} -j ${CLIENT}`),
      raw('ISTIO_INBOUND', `-p udp --sport ${DNS_PORT}${answers[i]} -j ${UPSTREAM}`),
    ]),
  ];
}
