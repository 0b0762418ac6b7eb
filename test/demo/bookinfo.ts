import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Answer, type Application, call, serveHttp } from '../support/http.ts';
import type { LocalPod } from '../support/local-pod.ts';
import type { ReviewsCall } from './calls.ts';

/** The port of every Service of bookinfo. */
export const PORT = 9080;

/** The pods of bookinfo. */
export const podNames = [
  { name: 'productpage-v1', app: 'productpage', version: 'v1' },
  { name: 'details-v1', app: 'details', version: 'v1' },
  { name: 'ratings-v1', app: 'ratings', version: 'v1' },
  { name: 'reviews-v1', app: 'reviews', version: 'v1' },
  { name: 'reviews-v2', app: 'reviews', version: 'v2' },
  { name: 'reviews-v3', app: 'reviews', version: 'v3' },
] as const;

type App = (typeof podNames)[number]['app'];

/** What an application does: it calls others by name, through the Envoy beside it, and answers. */
type Behaviour = (
  request: IncomingMessage,
  ask: (service: App, path: string) => Promise<Answer>,
  onReviews: (call: ReviewsCall) => void,
) => Promise<{ readonly status?: number; readonly body: object }>;

const userOf = (request: IncomingMessage): string => String(request.headers['end-user'] ?? '');

const behaviours: Readonly<Record<App, (version: string) => Behaviour>> = {
  productpage: () => async (request, ask, onReviews) => {
    const [details, reviews] = await Promise.all([ask('details', '/details/0'), ask('reviews', '/reviews/0')]);
    const version = reviews.status === 200 ? (JSON.parse(reviews.body) as { version: string }).version : undefined;
    onReviews({ at: performance.now(), user: userOf(request), version, ms: reviews.ms });
    return { body: { details: details.status, reviews: version ?? `error ${reviews.status}` } };
  },
  details: version => async () => ({ body: { version, author: 'William Shakespeare', pages: 200 } }),
  ratings: version => async () => ({ body: { version, stars: 5 } }),
  reviews: version => async (_, ask) => {
    // v1 shows no stars; the others ask for them.
    if (version === 'v1') return { body: { version } };
    const ratings = await ask('ratings', '/ratings/0');
    return { body: { version, ratings: ratings.status } };
  },
};

async function answer(
  behaviour: Behaviour,
  request: IncomingMessage,
  response: ServerResponse,
  pod: () => LocalPod,
  own: {
    readonly agent: Agent;
    readonly onReviews: (call: ReviewsCall) => void;
  },
): Promise<void> {
  const user = userOf(request);
  const ask = (service: App, path: string): Promise<Answer> =>
    call({
      address: pod().egress,
      port: PORT,
      host: `${service}:${PORT}`,
      path,
      headers: user ? { 'end-user': user } : {},
      agent: own.agent,
    });
  const { status = 200, body } = await behaviour(request, ask, own.onReviews);
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

/** A pod of bookinfo with its application running. */
export interface RunningPod extends LocalPod {
  stop(): void;
}

/** Starts the application of one pod; `onReviews` hears of every call that productpage makes to reviews. */
export async function startPod(
  { name, app, version }: (typeof podNames)[number],
  addresses: Pick<LocalPod, 'address' | 'egress'>,
  onReviews: (call: ReviewsCall) => void,
): Promise<RunningPod> {
  const behaviour = behaviours[app](version);
  const agent = new Agent({ keepAlive: true });
  const server: Application = await serveHttp((request, response) => {
    answer(behaviour, request, response, () => pod, { agent, onReviews }).catch(() => response.writeHead(502).end());
  });
  const pod: RunningPod = {
    name,
    labels: { app, version, 'security.istio.io/tlsMode': 'istio' },
    ...addresses,
    appPort: server.port,
    stop() {
      agent.destroy();
      server.close();
    },
  };
  return pod;
}
