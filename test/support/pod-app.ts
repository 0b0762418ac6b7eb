/**
 * The application of a pod, as a process of its own in the pod's network: it answers on the ports that it is given and calls others when it
 * is told to, a line of JSON on standard input each; what came of it is a line on standard output.
 */

import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { call, serveHttp } from './http.ts';
import type { AppAnswer, AppRequest, Orders } from './pod.ts';

const [, , name = '', ...ports] = process.argv;

/** How it answers; `Orders` say so. */
let manner: Orders['answer'] = { status: 200, delayMs: 0 };
const attempts = new Map<string, number>();
let received = 0;

for (const port of ports)
  await serveHttp(
    async (request, response) => {
      received++;
      const { headers, method, url } = request;
      const id = String(headers['x-request'] ?? '');
      const attempt = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, attempt);
      const { status, delayMs } = manner;
      if (delayMs) await pause(delayMs);
      const failing = attempt <= Number(headers['x-fail'] ?? 0);
      response.writeHead(failing ? 503 : status, { 'content-type': 'application/json' });
      const from = request.socket.remoteAddress;
      response.end(JSON.stringify({ pod: name, port: Number(port), method, path: url, from, headers, attempt }));
    },
    '0.0.0.0',
    Number(port),
  );

async function answers({
  count = 1,
  concurrency = 1,
  fresh = false,
  ...to
}: AppRequest): Promise<readonly AppAnswer[]> {
  // A connection each, where it is not requests but connections that are spread.
  const agent = new Agent(fresh ? { keepAlive: false } : { keepAlive: true, maxSockets: concurrency });
  const all: AppAnswer[] = [];
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent++;
      all.push(
        await call({ ...to, agent }).catch((error: NodeJS.ErrnoException) => ({
          status: 0,
          headers: {},
          body: error.code ?? error.message,
          ms: 0,
        })),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  agent.destroy();
  return all;
}

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, request, answer } = JSON.parse(line) as Orders;
  if (answer) manner = answer;
  if (request) void answers(request).then(list => say({ id, answers: list }));
  else say({ id, received });
}
process.exit(0);
