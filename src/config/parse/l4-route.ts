import type {
  L4MatchAttributes,
  TCPRoute,
  TLSMatchAttributes,
  TLSRoute,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkSubnet } from '../address.ts';
import { checkLabels } from '../host.ts';
import { checkPort } from '../port.ts';
import { each, type Report } from '../report.ts';
import { checkDestinations, checkGatewayNames, checkSni, type RouteOwner } from './destination.ts';

/** Checks a route by server name. A match that is invalid is left out. */
export function checkTlsRoute(route: TLSRoute, owner: RouteOwner, path: string, report: Report): TLSRoute {
  const match = report.keep(route.match, `${path}.match`, (item, at) => {
    if (!item.sniHosts?.length) report.error(`${at}.sniHosts`, 'at least one server name is needed');
    each(item.sniHosts, `${at}.sniHosts`, (sni, place) => checkSni(sni, owner, place, report));
    checkMatch(item, at, report);
  });
  if (!match?.length) report.error(`${path}.match`, route.match?.length ? 'no match is left' : 'a match is needed');
  if (!route.route?.length) report.error(`${path}.route`, 'a destination is needed');
  return { ...route, match, route: checkDestinations(route.route, `${path}.route`, report) };
}

/** Checks a route by address and port. A match that is invalid is left out. */
export function checkTcpRoute(route: TCPRoute, path: string, report: Report): TCPRoute {
  const match = report.keep(route.match, `${path}.match`, (item, at) => {
    checkMatch(item, at, report);
    if (item.sourceSubnet) checkSubnet(item.sourceSubnet, `${at}.sourceSubnet`, report);
  });
  if (report.emptied(match, `${path}.match`)) report.error(`${path}.match`, 'no match is left');
  if (!route.route?.length) report.error(`${path}.route`, 'a destination is needed');
  return { ...route, match, route: checkDestinations(route.route, `${path}.route`, report) };
}

function checkMatch(match: TLSMatchAttributes | L4MatchAttributes, path: string, report: Report): void {
  each(match.destinationSubnets, `${path}.destinationSubnets`, (subnet, at) => checkSubnet(subnet, at, report));

  if (match.port) checkPort(match.port, `${path}.port`, report);
  checkLabels(match.sourceLabels, `${path}.sourceLabels`, report);
  checkGatewayNames(match.gateways, `${path}.gateways`, report);
}
