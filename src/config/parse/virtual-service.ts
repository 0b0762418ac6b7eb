import type { VirtualService } from '../../istio/config.ts';
import { Overlaps } from '../../istio/hosts.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { isAddress } from '../address.ts';
import { checkHost } from '../host.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkExportTo } from '../selector.ts';
import { checkGatewayNames, checkSniHost, type RouteOwner } from './destination.ts';
import { checkHttpRoute } from './http-route.ts';
import { parseIstio } from './istio.ts';
import { checkTcpRoute, checkTlsRoute } from './l4-route.ts';

/** Reads a VirtualService. A route that is invalid is left out; the others stay in force. */
export const parseVirtualService = (raw: RawObject): Parsed<VirtualService> =>
  parseIstio('VirtualService', 'istio.networking.v1alpha3.VirtualService', raw, check);

function check(spec: networking.VirtualService, report: Report, meta: ObjectMeta): networking.VirtualService {
  const owner = ownerOf(spec);
  if (owner.delegate) checkDelegate(spec, report);
  checkGatewayNames(spec.gateways, 'spec.gateways', report);
  checkExportTo(spec.exportTo, meta.namespace, 'noneForbidden', 'spec.exportTo', report);
  const seen = new Overlaps();
  const hosts = report.keep(spec.hosts, 'spec.hosts', (host, at) => {
    if (isAddress(host)) return;
    if (owner.gateway && owner.sni && host.startsWith('outbound_')) checkSniHost(host, at, report);
    else checkHost(host, at, report);
    if (host === '*' && !owner.gateway) report.error(at, 'the host "*" is only for VirtualServices of gateways');
    const other = seen.add(host);
    if (other === host) report.error(at, `"${host}" is there twice`);
    else if (other !== undefined) report.warning(at, `"${host}" overlaps with "${other}"`);
  });
  if (report.emptied(hosts, 'spec.hosts')) report.error('spec.hosts', 'no host is left');
  const checked = {
    ...spec,
    hosts,
    http: report.keep(spec.http, 'spec.http', (route, at) => checkHttpRoute(route, owner, at, report)),
    tls: report.keep(spec.tls, 'spec.tls', (route, at) => checkTlsRoute(route, owner, at, report)),
    tcp: report.keep(spec.tcp, 'spec.tcp', (route, at) => checkTcpRoute(route, at, report)),
  };
  if (!checked.http?.length && !checked.tls?.length && !checked.tcp?.length) {
    report.error('spec', spec.http || spec.tls || spec.tcp ? 'no route is left' : 'one of http, tls and tcp is needed');
  }
  warnUnreachable(spec.http, 'spec.http', report);
  warnUnreachable(spec.tcp, 'spec.tcp', report);
  return checked;
}

function ownerOf(spec: networking.VirtualService): RouteOwner {
  return {
    hosts: spec.hosts ?? [],
    delegate: !spec.hosts?.length,
    gateway: Boolean(spec.gateways?.length) && !spec.gateways?.includes('mesh'),
    sni: (spec.tls ?? []).some(route => route.match?.some(match => match.sniHosts?.length)),
  };
}

/** Without hosts it is a delegate: routes for another VirtualService, which has the rest. */
function checkDelegate(spec: networking.VirtualService, report: Report): void {
  const needed = 'a VirtualService without hosts is a delegate: it has http routes only';
  for (const field of ['gateways', 'tls', 'tcp'] as const) {
    if (spec[field]?.length) report.error(`spec.${field}`, needed);
  }
}

/** Routes behind one that matches everything can never be taken. */
function warnUnreachable(
  routes: readonly { readonly match?: readonly unknown[] | undefined }[] | undefined,
  path: string,
  report: Report,
): void {
  const all = routes?.findIndex(route => !route.match?.length) ?? -1;
  if (all < 0 || !routes) return;
  for (let i = all + 1; i < routes.length; i++) {
    report.warning(`${path}[${i}]`, `never reached: ${path}[${all}] matches everything`);
  }
}
