// An app of the experiments. It says which one it is and how often it has been asked the same; the log says who asked.
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const attempts = new Map();
let broken = false;

const server = createServer(async (request, response) => {
  const { method, url, headers } = request;
  const from = request.socket.remoteAddress;
  if (url === '/healthz') return response.end('ok\n');
  const [, what, number] = url.split('/');
  // A proxy that tries again does so under the same id.
  const id = headers['x-request-id'];
  const attempt = (attempts.get(id) ?? 0) + 1;
  attempts.set(id, attempt);
  if (what === 'slow') await pause(Number(number));
  if (what === 'break') broken = true;
  const failing = broken || (what === 'fail' && attempt <= Number(number));
  response.writeHead(failing ? 503 : 200, { 'x-asked-by': from, 'x-attempt': attempt });
  response.end(process.env.GREETING);
  console.log(`${from} "${method} ${url}" ${response.statusCode} ${headers.host}`);
});
server.listen(80, '0.0.0.0');
process.once('SIGTERM', () => process.exit(0));
