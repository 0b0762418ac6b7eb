/** Requests for pages that no tool makes, of which `answerTo` tells what comes back. */
export const ODD_REQUESTS: readonly (readonly [path: string, options?: RequestInit])[] = [
  ['syncz', { method: 'HEAD' }],
  ['syncz', { headers: { 'if-none-match': '*', 'if-modified-since': new Date().toUTCString() } }],
  ['syncz', { headers: { 'accept-encoding': 'gzip' } }],
  ['syncz', { headers: { accept: 'text/html' } }],
  ['syncz?namespace=default&namespace=none'],
  ['nothing'],
  ['nothing', { method: 'HEAD' }],
  [''],
  ['syncz/'],
  ['Syncz'],
  ['syncz%20'],
  ['s%79ncz'],
  ['../debug/syncz'],
  ['config_dump?proxyID=details-v1.default&proxyID=nobody.default'],
  ['config_dump?proxyID=nobody.default&proxyID=details-v1.default'],
  ['config_dump?proxyID=details%2Dv1%2Edefault'],
  ['config_dump?proxyID=details-v1.default%00'],
  ['config_dump?proxyID='],
  ['config_dump?proxyid=details-v1.default'],
  [`config_dump?proxyID=${'x'.repeat(8_000)}`],
  ['config_dump?proxyID=details-v1.default&types=unknown'],
  ['config_dump?proxyID=details-v1.default&types=cds,unknown'],
  ['config_dump?proxyID=details-v1.default&types='],
  ['config_dump?proxyID=details-v1.default&types=cds,cds'],
  ['config_dump?proxyID=details-v1.default&types=CDS'],
  ['config_dump?proxyID=details-v1.default&types=type.googleapis.com/envoy.config.cluster.v3.Cluster'],
  ['config_dump?proxyID=details-v1.default&include_eds=false'],
  ['edsz?proxyID=details&pretty'],
  ['adsz?proxyID=nobody'],
  ['telemetryz?proxyID=nobody'],
  ['sidecarz?proxyID=nobody'],
  ['instancesz?proxyID=nobody'],
  ['syncz', { method: 'POST', body: 'x' }],
  ['config_dump?proxyID=details-v1.default', { method: 'DELETE' }],
];

/** Status, type and encoding of an answer, and its first line, or what messages it has: what an Envoy with Istio's filters has besides is left out. */
export async function answerTo(pages: string, [path, options]: (typeof ODD_REQUESTS)[number]) {
  const answer = await fetch(`http://${pages}/debug/${path}`, options);
  const text = await answer.text();
  const kind = answer.headers.get('content-type')?.split(';')[0];
  const types = [...text.matchAll(/"@type": *"[^"]*\.(\w*ConfigDump|Cluster|Listener|RouteConfiguration)"/g)];
  const said = kind === 'application/json' ? [...new Set(types.map(([, type]) => type))].join() : text.split('\n')[0];
  return { status: answer.status, kind, encoding: answer.headers.get('content-encoding'), said };
}
