// One of bookinfo's services: says who it is, and what the services that it asks have answered.
import { createServer } from 'node:http';

const { NAME, VERSION, ASKS = '' } = process.env;

async function ask(service) {
  const answer = await fetch(`http://${service}:9080/`);
  if (!answer.ok) throw new Error(`${service} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') return response.end('ok\n');
  try {
    const answers = await Promise.all(ASKS.split(' ').filter(Boolean).map(ask));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: NAME, version: VERSION, answers }));
  } catch (error) {
    response.statusCode = 502;
    response.end(`${error.message}: ${error.cause ?? ''}\n`);
  }
});
server.listen(9080);
process.once('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
