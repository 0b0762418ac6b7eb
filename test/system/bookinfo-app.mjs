// One of bookinfo's services, which one its pod's name says (reviews-v2-…): says who it is, and what the services that it asks have answered.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const [name, version] = hostname().split('-');
const asks = { productpage: ['details', 'reviews'], reviews: version === 'v1' ? [] : ['ratings'] }[name] ?? [];

/** `headers` are those that Istio's bookinfo passes on, too. */
async function ask(service, headers) {
  const answer = await fetch(`http://${service}:9080/${service}/0`, { headers });
  if (!answer.ok) throw new Error(`${service} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** When it was asked last. */
let asked = 0;

const server = createServer(async (request, response) => {
  if (request.url === '/health') return response.end('ok\n');
  asked = performance.now();
  try {
    const user = request.headers['end-user'];
    const answers = await Promise.all(asks.map(service => ask(service, user ? { 'end-user': user } : {})));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name, version, answers }));
  } catch (error) {
    response.statusCode = 502;
    response.end(`${error.message}: ${error.cause ?? ''}\n`);
  }
});
// Who closes a connection that is kept alive loses the request that is on its way then, and nobody may send that again.
server.keepAliveTimeout = 0;
server.listen(9080);
process.once('SIGTERM', () => {
  // However long others take to hear that it is going: it ends when they have asked nothing for a while.
  const waiting = setInterval(() => {
    if (performance.now() - asked < 3_000) return;
    clearInterval(waiting);
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  }, 100);
});
