import { covers } from '../../istio/hosts.ts';
import type { Destination, RouteDestination, StringMatch } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { isAddress } from '../address.ts';
import { checkHost, hostFault, isDnsLabel, isPartialWildcard, wildcardHostFault } from '../host.ts';
import { checkPort } from '../port.ts';
import { checkRegex } from '../regex.ts';
import { each, type Report } from '../report.ts';

/** What the routes of a VirtualService share. */
export interface RouteOwner {
  readonly hosts: readonly string[];
  /** It has no hosts: its routes are part of another VirtualService. */
  readonly delegate: boolean;
  /** It is for gateways and not for the mesh. */
  readonly gateway: boolean;
  /** It routes by server name. */
  readonly sni: boolean;
}

/** Reports a destination that names no service. */
export function checkDestination(destination: Destination | undefined, path: string, report: Report): void {
  if (!destination) {
    report.error(path, 'a destination is needed');
    return;
  }
  if (destination.host === '*') report.error(`${path}.host`, '"*" is not a destination');
  else checkHost(destination.host, `${path}.host`, report);
  if (destination.subset && !isDnsLabel(destination.subset)) {
    report.error(`${path}.subset`, `"${destination.subset}" is not the name of a subset`);
  }
  if (destination.port) checkPort(destination.port.number, `${path}.port.number`, report);
}

/** The destinations of a route that are valid; reports when none is left, or none has a weight. */
export function checkDestinations<D extends RouteDestination>(
  destinations: readonly D[] | undefined,
  path: string,
  report: Report,
  check: (destination: D, path: string) => D = destination => destination,
): readonly D[] | undefined {
  const kept = report.keep(destinations, path, (destination, at) => {
    checkDestination(destination.destination, `${at}.destination`, report);
    const weight = destination.weight ?? 0;
    if (weight < 0) report.error(`${at}.weight`, `${weight} is negative`);
    return check(destination, at);
  });
  if (report.emptied(kept, path)) report.error(path, 'no destination is left');
  if (kept && kept.length > 1 && kept.every(({ weight }) => !weight)) {
    report.error(path, 'of several destinations at least one needs a weight');
  }
  return kept;
}

/** Reports names of gateways that are no names: `namespace/name`, `name`, or the old `name.namespace.svc…`. */
export function checkGatewayNames(names: readonly string[] | undefined, path: string, report: Report): void {
  each(names, path, (name, at) => {
    const [namespace = '', gateway, ...more] = name.split('/');
    if (gateway === undefined) {
      const fault = hostFault(name);
      if (fault) report.error(at, `"${name}" is not the name of a gateway`);
      else if (name.includes('.')) report.warning(at, `"${name}": the form namespace/name is preferred`);
    } else if (!isDnsLabel(namespace) || !isDnsLabel(gateway) || more.length) {
      report.error(at, `"${name}" is not the name of a gateway (namespace/name)`);
    }
  });
}

/** Reports a server name that no client can send, or that is none of the hosts. */
export function checkSni(sni: string, owner: RouteOwner, path: string, report: Report): void {
  if (owner.gateway && sni.startsWith('outbound_')) {
    checkSniHost(sni, path, report);
    return;
  }
  const fault = wildcardHostFault(sni);
  if (fault && isAddress(sni)) {
    report.warning(path, 'clients do not send an IP address as server name');
    return;
  }
  if (fault) report.error(path, fault);
  else if (isPartialWildcard(sni)) report.error(path, `"${sni}": a wildcard must be the whole first label`);
  else if (!owner.hosts.some(host => covers(host, sni))) {
    report.warning(path, `"${sni}" is within none of the hosts ${owner.hosts.join(', ')}`);
  }
}

/** Reports a name that is not of the form that gateways between networks use: `outbound_.80_._.reviews.default.svc.cluster.local`. */
export function checkSniHost(name: string, path: string, report: Report): void {
  const [direction, port = '', , host = ''] = name.split('_');
  if (direction !== 'outbound' || !/\d/.test(port) || !/[A-Za-z]/.test(host)) {
    report.error(path, `"${name}" does not have the form outbound_.<port>_._.<host>`);
  }
}

/** Reports a text match that can never match or that Envoy refuses. */
export function checkStringMatch(match: StringMatch | undefined, path: string, report: Report): void {
  if (match?.prefix === '') report.error(`${path}.prefix`, 'an empty prefix matches everything; leave the match out');
  if (match?.regex !== undefined) checkRegex(match.regex, `${path}.regex`, report);
}
