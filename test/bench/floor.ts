// The floor of what any server in this runtime can reach: it sends each stream the very bytes that another server sent it, reads the answers
// and forgets them. Changes it learns from watches of the API server, and puts the changed word into a response of the right size.
//
//     node floor.ts ADDRESS KUBECONFIG PORT
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import { typed } from '../../src/proto/any.ts';
import { Cluster_DiscoveryType } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { encode } from '../../src/proto/message.ts';
import { resourceTypes, type XdsType } from '../../src/xds/resource-types.ts';
import { framed, unframed } from '../support/grpc-frame.ts';
import { LabApi } from './kube.ts';
import { proxyNode } from './proxy-node.ts';

const types: readonly XdsType[] = ['cluster', 'endpoint', 'listener', 'route'];
const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const headers = { 'content-type': 'application/grpc' };

/** The first response of each type. */
async function record(address: string): Promise<ReadonlyMap<XdsType, Buffer>> {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 64 << 20 } });
  const stream = session.request({ ':method': 'POST', ':path': method, ...headers, te: 'trailers' });
  const recorded = new Map<XdsType, Buffer>();
  const ask = (type: XdsType): void => {
    const names = { cluster: [], listener: [], endpoint: namesIn('cluster'), route: ['80'] }[type as 'cluster'];
    const message = {
      type_url: resourceTypes[type].typeUrl,
      resource_names_subscribe: names,
      node: type === 'cluster' ? proxyNode(0, 1) : undefined,
    };
    stream.write(framed(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', message)));
  };
  const namesIn = (type: XdsType): string[] => [
    ...new Set(
      recorded
        .get(type)
        ?.toString('latin1')
        .match(/outbound\|80\|\|[\w.-]+?\.svc\.cluster\.local/g),
    ),
  ];
  await new Promise<void>(resolve => {
    stream.on(
      'data',
      unframed(message => {
        const type = types[recorded.size];
        if (type) recorded.set(type, framed(message));
        const next = types[recorded.size];
        if (next) ask(next);
        else resolve();
      }),
    );
    ask('cluster');
  });
  session.destroy();
  return recorded;
}

const [address = '', kubeconfig = '', port = ''] = process.argv.slice(2);
const recorded = await record(address);
const streams = new Set<ServerHttp2Stream>();

/** `frame` with a word behind it, in a field that nobody knows. */
function marked(frame: Buffer, word: string): Buffer {
  const text = Buffer.from(word);
  const size = Buffer.from([((text.length & 0x7f) | 0x80) & 0xff, text.length >> 7]);
  return framed(Buffer.concat([frame.subarray(5), Buffer.from([0x7a]), size, text]));
}

const push = (frame: Buffer): void => {
  for (const stream of streams) stream.write(frame);
};
const head = (type: XdsType, bytes: number): Buffer =>
  framed(
    encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      type_url: resourceTypes[type].typeUrl,
      nonce: '1',
      system_version_info: 'x'.repeat(bytes),
    }),
  );

const api = new LabApi(kubeconfig);
const route = recorded.get('route') ?? head('route', 0);
/** The cluster of a new Service, at about its size. */
const cluster = (service: string): Buffer => {
  const name = `outbound|80||${service}.load.svc.cluster.local`;
  const resource = typed('envoy.config.cluster.v3.Cluster', {
    name,
    type: Cluster_DiscoveryType.EDS,
    eds_cluster_config: { service_name: name },
    alt_stat_name: 'x'.repeat(700),
  });
  return framed(
    encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      type_url: resourceTypes.cluster.typeUrl,
      nonce: '1',
      resources: [{ name, resource }],
    }),
  );
};
const endpoints = head('endpoint', 270);
// A new Service is a new cluster; its endpoints, and the routes with its virtual host, follow when they are asked for.
const watched: readonly [path: string, word: RegExp, frame: (word: string) => Buffer][] = [
  ['/apis/discovery.k8s.io/v1/namespaces/load/endpointslices', /"addresses":\["([\d.]+)"/, () => endpoints],
  ['/apis/networking.istio.io/v1/namespaces/load/virtualservices', /(mark-[\w-]+)/, () => route],
  ['/api/v1/namespaces/load/services', /"name":"(mark-[\w-]+)/, cluster],
];
for (const [path, word, changed] of watched) {
  await api.watch(path, line => {
    const [, found] = word.exec(line) ?? [];
    if (!found || line.startsWith('{"type":"DELETED"')) return;
    push(marked(changed(found), found));
  });
}

const server = createServer({ settings: { initialWindowSize: 64 << 10, maxConcurrentStreams: 1000 } });
server.on('stream', stream => {
  stream.respond({ ':status': 200, ...headers });
  let answered = 0;
  stream.on('error', () => undefined);
  stream.on('close', () => streams.delete(stream));
  stream.on(
    'data',
    unframed(message => {
      const next = types[answered];
      if (!next && message.includes('outbound|')) {
        stream.write(endpoints);
        stream.write(route);
      }
      if (!next || !message.includes(resourceTypes[next].typeUrl)) return;
      // An acknowledgement of the last type names another one.
      answered++;
      stream.write(recorded.get(next) ?? head(next, 0));
      if (answered === types.length) streams.add(stream);
    }),
  );
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
