import { createServer, type Server } from 'node:net';

/**
 * Below those that the kernel gives to clients: one of them that connects to a server which is down may else be given the server's own port,
 * and keep it from starting again.
 */
const [FIRST, END] = [18_000, 32_000];
const BLOCK = 100;

/** Listens on a port of 127.0.0.1; undefined where somebody does already. */
async function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  server.once('error', () => resolve(undefined));
  server.listen(port, '127.0.0.1', () => resolve(server));
  return promise;
}

/** Whether nobody listens on a port of 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
  const server = await listening(port);
  if (!server) return false;
  await new Promise(resolve => server.close(resolve));
  return true;
}

/** Takes a block of ports for this process: it listens on the first one until it ends, and gives the others away. */
async function takeBlock(): Promise<{ next: number; readonly end: number }> {
  const blocks = (END - FIRST) / BLOCK;
  const some = Math.floor(Math.random() * blocks);
  for (let i = 0; i < blocks; i++) {
    const first = FIRST + ((some + i) % blocks) * BLOCK;
    const guard = await listening(first);
    guard?.unref();
    if (guard) return { next: first + 1, end: first + BLOCK };
  }
  throw new Error(`no block of ports is free between ${FIRST} and ${END}`);
}

let block = { next: 0, end: 0 };
let asked: Promise<unknown> = Promise.resolve();

async function next(count: number): Promise<number> {
  for (;;) {
    if (block.next + count > block.end) block = await takeBlock();
    const port = block.next;
    block.next += count;
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(port + at)));
    if (free.every(Boolean)) return port;
  }
}

/** A port of 127.0.0.1 that is free, and the ones after it, too. No other test is given them, before they are listened on or after. */
export function freePorts(count = 1): Promise<number> {
  const given = asked.then(() => next(count));
  asked = given.catch(() => undefined);
  return given;
}
