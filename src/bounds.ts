/** What a bound counts. */
export type Unit =
  | 'bytes'
  | 'ms'
  | 'names'
  | 'frames'
  | 'streams'
  | 'connections'
  | 'requests'
  | 'characters'
  | 'items'
  | 'lines'
  | 'levels'
  | 'values'
  | 'problems';

/** A bound on what one peer, or all together, can take. */
export interface Bound {
  readonly most: number;
  readonly unit: Unit;
  /** What is bounded: completes `at most N UNIT ...`. */
  readonly of: string;
  /** Why it is that number. */
  readonly why: string;
}

const KB = 1024;
const MB = 1024 * KB;

/** Every bound there is on what comes from outside. `serve --help` prints it, and src/README.md lists it. */
export const bounds = {
  'request-bytes': {
    most: 4 * MB,
    unit: 'bytes',
    of: 'in one request, and in the requests of a stream that wait for their turn',
    why: "istiod's and gRPC's own; a proxy that comes back with 20,000 clusters needs 2 MB",
  },
  'first-request-bytes': {
    most: 256 * KB,
    unit: 'bytes',
    of: 'of a stream until the Node of its first request has been read',
    why: 'a Node has 10 to 30 kB; annotations, the longest part, may have 256 kB in Kubernetes and rarely do',
  },
  'node-id': {
    most: KB,
    unit: 'bytes',
    of: "in a Node's id, which is in every line of the log about its proxy",
    why: 'the longest names of a pod, a namespace and a domain come to 600',
  },
  'connection-request-bytes': {
    most: 12 * MB,
    unit: 'bytes',
    of: 'of requests that are on their way in on one connection',
    why: 'two of the largest, with room for what follows each; an agent has two streams',
  },
  'process-request-bytes': {
    most: 64 * MB,
    unit: 'bytes',
    of: 'of requests that are on their way in on all connections; who has most is ended',
    why: 'room for 16 of the largest at once, or for 6,000 proxies that come back together with 10 kB each',
  },
  names: {
    most: 200_000,
    unit: 'names',
    of: 'of one type that a stream asks for',
    why: 'ten times the clusters of the largest meshes that are known',
  },
  'stream-name-bytes': {
    most: 32 * MB,
    unit: 'bytes',
    of: 'of what a stream said that is kept: names and versions, 64 bytes for each beside its own, and a Node beyond 32 kB, twice',
    why: '200,000 names of a hundred bytes',
  },
  'process-name-bytes': {
    most: 128 * MB,
    unit: 'bytes',
    of: 'of the same for all streams, equal names counted once; who has most is ended',
    why: 'what 200 different workloads name that use 5,000 Services each',
  },
  'other-response-bytes': {
    most: 1 * MB,
    unit: 'bytes',
    of: 'of answers about types that are not served that a stream has not read',
    why: 'each repeats the names that it was asked for, and nobody asks for many',
  },
  'type-url': {
    most: 256,
    unit: 'bytes',
    of: 'in the URL of a type',
    why: 'the longest of Envoy have 100',
  },
  'request-frames': {
    most: 256,
    unit: 'frames',
    of: 'of a stream beyond one for every 32 bytes; its connection is cut off',
    why: 'each costs as much as one of 16 kB, and clients cut at 16 kB',
  },
  'first-request-ms': {
    most: 10_000,
    unit: 'ms',
    of: 'from a connection, or the end of its last stream, to a stream that is admitted',
    why: 'a proxy asks within milliseconds; one on a loaded machine within a second or two',
  },
  'request-ms': {
    most: 30_000,
    unit: 'ms',
    of: 'from the first byte of a request to its last',
    why: '4 MB at 140 kB a second',
  },
  'response-ms': {
    most: 60_000,
    unit: 'ms',
    of: 'in which nothing is read of a response that is on its way',
    why: 'two pings go unanswered sooner; a proxy that is frozen for longer comes back to a new stream',
  },
  'first-response-ms': {
    most: 10_000,
    unit: 'ms',
    of: 'in which nothing is read of a response to a stream that has acknowledged none yet',
    why: 'a proxy that starts reads within milliseconds',
  },
  'process-response-bytes': {
    most: 64 * MB,
    unit: 'bytes',
    of: 'of different responses that are on their way; who has not read for longest, for a second at least, is ended',
    why: 'equal proxies share a response: 30 different ones of 2 MB, which is what 1,000 Services come to',
  },
  'unacknowledged-streams': {
    most: 1_000,
    unit: 'streams',
    of: 'that were sent something a second ago and have never acknowledged anything; the oldest is ended for the next',
    why: 'a mesh of 5,000 proxies that all come at once has a few hundred of them, for a second',
  },
  'inquiry-streams': {
    most: 256,
    unit: 'streams',
    of: 'that ask about the control plane, as istioctl does; the oldest of the address that has most is ended for the next',
    why: 'seven people who ask for each of 34 pages at once; one that waits keeps no more than its question',
  },
  'inquiry-bytes': {
    most: 64 * MB,
    unit: 'bytes',
    of: 'of answers to streams that ask about the control plane that have not been read; who has most, of the address that has most, is ended',
    why: "three dumps of a mesh of 5,000 Services as pages; istioctl's own dumps share what proxies are sent, and count little",
  },
  'streams-per-connection': {
    most: 100,
    unit: 'streams',
    of: 'at once on a connection',
    why: 'the least that HTTP/2 recommends; an agent has two, and a proxy in between opens more connections',
  },
  connections: {
    most: 10_000,
    unit: 'connections',
    of: 'at once; the address that has most gives way to another',
    why: 'ten times the proxies that one replica is measured with',
  },
  'silent-connections': {
    most: 1_000,
    unit: 'connections',
    of: 'without an admitted stream; the oldest of the address that has most is closed for the next',
    why: 'a thousand proxies may come within the same second',
  },
  'header-bytes': {
    most: 64 * KB - 1,
    unit: 'bytes',
    of: 'of headers of one call; until it is admitted they count as its request',
    why: "node:http2's own; a token of a service account has 1 to 2 kB",
  },
  'csr-bytes': {
    most: 16 * KB,
    unit: 'bytes',
    of: 'in a certificate signing request',
    why: 'one for an RSA key of 8,192 bits has 3 kB',
  },
  'token-bytes': {
    most: 8_192,
    unit: 'bytes',
    of: 'in a token; a longer one is none',
    why: "a pod's has 1 kB, and as many as there are reviews may wait",
  },
  'token-reviews': {
    most: 10_000,
    unit: 'requests',
    of: 'to the API server about tokens, under way or waiting, the addresses that they came from in turns; the last of the address that has most is refused',
    why: 'one for each connection that there can be',
  },
  'review-ms': {
    most: 10_000,
    unit: 'ms',
    of: 'in which the API server answers about a token or a right; without an answer nobody is let in',
    why: 'a proxy that waits for longer gives up and comes back',
  },
  'known-tokens': {
    most: 20_000,
    unit: 'items',
    of: 'of tokens of which is known whose they are, for a minute; the oldest is forgotten for the next',
    why: 'a token for each connection, and the one before it',
  },
  'jwks-bytes': {
    most: 256 * KB,
    unit: 'bytes',
    of: 'in a document with the keys of an issuer',
    why: 'the largest issuers need 60 kB; every proxy whose policies name it holds all of it',
  },
  'jwks-ms': {
    most: 30_000,
    unit: 'ms',
    of: 'in which keys are fetched, whatever time a RequestAuthentication gives (5 s if it gives none)',
    why: 'who needs longer is down; the last good keys stay',
  },
  'jwks-redirects': {
    most: 3,
    unit: 'requests',
    of: 'that one for keys is redirected to, each over https',
    why: 'a move to another name or path takes one or two',
  },
  'jwks-urls': {
    most: 1_000,
    unit: 'items',
    of: 'of URLs that keys are fetched from; those that older policies name come first',
    why: 'one for each team of a large company',
  },
  'jwks-fetches': {
    most: 32,
    unit: 'requests',
    of: 'for keys that are under way at once',
    why: 'so many that do not answer keep the rest waiting for no longer than their time',
  },
  'http-connections': {
    most: 1_024,
    unit: 'connections',
    of: 'for pages and probes on each HTTP address; the one that is idle for longest is closed for the next',
    why: 'more than probes, Prometheus and people of one cluster come to',
  },
  'http-connections-per-address': {
    most: 256,
    unit: 'connections',
    of: 'for pages and probes from one IP address; the one that is idle for longest is closed for the next',
    why: 'a browser opens 6, and many people may come through one port-forward',
  },
  'http-requests-per-connection': {
    most: 16,
    unit: 'requests',
    of: 'at once on one HTTP connection',
    why: 'clients that wait for their answers have one',
  },
  'http-request-ms': {
    most: 5_000,
    unit: 'ms',
    of: 'from the beginning of an HTTP request to its end',
    why: 'a request for a page fits one packet',
  },
  'http-idle-ms': {
    most: 10_000,
    unit: 'ms',
    of: 'in which an HTTP connection is neither read from nor written to',
    why: 'long enough for the next click, and for a reader on a slow line to take 64 kB',
  },
  'http-header-bytes': {
    most: 16 * KB,
    unit: 'bytes',
    of: 'of headers of one HTTP request',
    why: "Node's own",
  },
  'http-body-bytes': {
    most: 8 * MB,
    unit: 'bytes',
    of: 'in the body of one HTTP request; of a page that reads none it is dropped',
    why: 'an API server sends no review of an object that is larger than 3 MB, in its old and its new version',
  },
  'process-http-body-bytes': {
    most: 64 * MB,
    unit: 'bytes',
    of: 'in the bodies of all HTTP requests; the longest that is on its way is refused',
    why: 'eight of the longest, or a thousand Pods that are admitted at once',
  },
  'log-text': {
    most: 2 * KB,
    unit: 'characters',
    of: 'of one text in a line of the log',
    why: "Envoy's longest reasons for refusing an update come to half of it",
  },
  'log-items': {
    most: 20,
    unit: 'items',
    of: 'of one list in a line of the log',
    why: 'who reads a line reads no more',
  },
  'log-repeats': {
    most: 100,
    unit: 'lines',
    of: 'that say the same, in a log-stretch; how often it was to be said besides is said at its end',
    why: 'a hundred proxies that come at once can each be named',
  },
  'log-stretch': {
    most: 10_000,
    unit: 'ms',
    of: 'in which lines that say the same are counted',
    why: 'soon enough for who looks on',
  },
  'log-bytes': {
    most: MB,
    unit: 'bytes',
    of: 'of the log that wait for their reader; what comes besides is dropped and counted',
    why: 'a collector that restarts misses nothing of an ordinary minute',
  },
  'file-bytes': {
    most: 32 * MB,
    unit: 'bytes',
    of: 'in a file below --config; a larger one is not read',
    why: 'all CRDs of a large cluster, in one file, come to 22 MB; what is read takes several times as much memory',
  },
  'object-characters': {
    most: 3 * MB,
    unit: 'characters',
    of: 'in one object of a file',
    why: "an API server's: no request to it may be larger",
  },
  'document-characters': {
    most: 16 * MB,
    unit: 'characters',
    of: 'in one document of a file: a List',
    why: 'five of the largest objects, or the Services of a cluster with 30,000; it is in memory as a whole while it is read',
  },
  'object-levels': {
    most: 128,
    unit: 'levels',
    of: 'of lists and mappings within one another, in an object and in YAML',
    why: 'objects of Kubernetes and Istio have 20; what is read of them is walked by functions that call themselves',
  },
  'yaml-alias-values': {
    most: 10_000,
    unit: 'values',
    of: 'that the aliases of a YAML document stand for, and one more for each of its characters',
    why: 'who writes by hand needs a hundred; without a bound a line can stand for a billion',
  },
  'proxy-version': {
    most: 256,
    unit: 'characters',
    of: 'in a proxyVersion of an EnvoyFilter',
    why: 'a dozen releases by name; a longer expression can take a tenth of a second to compile',
  },
  'proxy-versions': {
    most: 16,
    unit: 'values',
    of: 'that differ, for proxyVersion in one EnvoyFilter',
    why: 'most have one, for all their patches',
  },
  'file-problems': {
    most: 100,
    unit: 'problems',
    of: 'of one file that are told; the rest are counted',
    why: 'who reads so many mends the first and looks again',
  },
} as const satisfies Record<string, Bound>;

/** The name of a bound, as the status of a stream, the log and the metric have it. */
export type BoundName = keyof typeof bounds;

/** A bound's row, without what differs in its TypeScript type from row to row. */
export const bound = (name: BoundName): Bound => bounds[name];

/** A bound as a sentence: `at most 4194304 bytes in one request ... (request-bytes)`. */
export const sentenceOf = (name: BoundName): string => {
  const { most, unit, of } = bound(name);
  return `at most ${most} ${unit} ${of} (${name})`;
};

/** A number as people read it: `4 MB`, `10 s`, `1,000 streams`. */
export function amountOf({ most, unit }: Bound): string {
  if (unit === 'ms') return `${most / 1_000} s`;
  if (unit !== 'bytes') return `${most.toLocaleString('en')} ${unit}`;
  return most >= MB ? `${most / MB} MB` : most >= KB ? `${Math.round(most / KB)} kB` : `${most} bytes`;
}

/** All bounds, with why each is what it is. */
export const boundsTable = (): string =>
  Object.entries(bounds)
    .map(([name, row]) => `  ${name}\n      at most ${amountOf(row)} ${row.of}:\n      ${row.why}\n`)
    .join('');
