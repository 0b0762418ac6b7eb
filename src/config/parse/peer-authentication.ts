import type { PeerAuthentication } from '../../istio/config.ts';
import {
  PeerAuthentication_MutualTLS_Mode as Mode,
  type PeerAuthentication_MutualTLS as MutualTls,
  type PeerAuthentication as Spec,
} from '../../proto/generated/istio/security/v1beta1.ts';
import { checkPort } from '../port.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { entry, type Report } from '../report.ts';
import { checkSelector, readableLabels } from '../selector.ts';
import { parseIstio } from './istio.ts';

/** Reads a PeerAuthentication. What cannot be read is never PERMISSIVE: a policy in which anything is wrong is invalid, and closed. */
export const parsePeerAuthentication = (raw: RawObject): Parsed<PeerAuthentication> =>
  parseIstio('PeerAuthentication', 'istio.security.v1beta1.PeerAuthentication', raw, check, close);

const PORTS = 'spec.portLevelMtls';

const hasLabels = ({ selector }: Spec): boolean => Object.keys(selector?.matchLabels ?? {}).length > 0;

function check(spec: Spec, report: Report): Spec {
  if (spec.selector) checkSelector(spec.selector.matchLabels, 'spec.selector.matchLabels', report);
  const ports = spec.portLevelMtls && Object.keys(spec.portLevelMtls);
  for (const port of ports ?? []) checkPort(Number(port), entry(PORTS, port), report);
  if (ports?.length && !hasLabels(spec)) report.error(PORTS, 'ports can be set for selected workloads only');
  if (ports?.length === 0 && !report.failed(PORTS)) {
    report.error(PORTS, 'it has no port');
    report.absorb(PORTS);
  }
  return spec;
}

const isStrict = (mtls: MutualTls | undefined): boolean => mtls?.mode === Mode.STRICT;
const isPort = (port: string): boolean => Number(port) >= 1 && Number(port) <= 65535;
const STRICT = { mode: Mode.STRICT };

/** STRICT where that is said or may have been; a policy whose selector cannot be read makes nobody PERMISSIVE. */
function close(
  policy: PeerAuthentication,
  report: Report,
  last: PeerAuthentication | undefined,
): Closed<PeerAuthentication> | undefined {
  const { spec } = policy;
  const ports = Object.entries(spec.portLevelMtls ?? {}).map(([port, mtls]): [string, MutualTls] => {
    const at = entry(PORTS, port);
    const unread = report.failed(at) && isPort(port);
    report.absorb(at);
    return [port, unread ? (last?.spec.portLevelMtls?.[port] ?? STRICT) : mtls];
  });
  const selector = report.failed('spec.selector');
  const mode = report.failed('spec.mtls') ? (last ? last.spec.mtls : STRICT) : spec.mtls;
  report.absorb('spec.selector');
  report.absorb('spec.mtls');
  // Entries that are none, ports that no connection has, ports of a policy that can have none: they may be meant for any.
  const misplaced = ports.some(([port, mtls]) => isStrict(mtls) && (selector || !hasLabels(spec) || !isPort(port)));
  if (report.failed(PORTS) && ports.length && !hasLabels(spec)) report.absorb(PORTS);
  const unknown = !isStrict(mode) && (misplaced || report.failed('spec'));
  if (last && (selector || unknown)) return undefined;
  const mtls = unknown ? STRICT : mode;
  if (selector) {
    if (!isStrict(mtls)) return undefined;
    const matchLabels = readableLabels(spec.selector?.matchLabels, 'spec.selector.matchLabels', report);
    const value = { ...policy, spec: { selector: { matchLabels }, mtls }, onlyRestricts: true as const };
    return { value, meaning: 'for whom it is cannot be read: all whom it may be for accept mutual TLS only' };
  }
  const portLevelMtls = hasLabels(spec) ? Object.fromEntries(ports.filter(([port]) => isPort(port))) : undefined;
  const value = { ...policy, spec: { ...spec, mtls, portLevelMtls } };
  return { value, meaning: 'what cannot be read of it and was not valid before accepts mutual TLS only' };
}
