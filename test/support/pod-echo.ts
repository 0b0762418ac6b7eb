/**
 * Says who takes connections: every TCP connection and UDP datagram on one of its ports is answered `NAME PORT`. Told to on standard input, it
 * makes one itself, and says what it was answered. Arguments: NAME [tcp:PORT|udp:PORT[@ADDRESS]]...
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import type { EchoCall } from './echo.ts';
import { HANGING_MS } from './until.ts';

const [, , name = '', ...ports] = process.argv;

for (const each of ports) {
  const [, protocol, port, address = '::'] = /^(tcp|udp):(\d+)(?:@(.+))?$/.exec(each) ?? [];
  if (protocol === 'tcp') {
    const server = createServer(socket => socket.on('error', () => {}).end(`${name} ${port}`));
    await once(server.listen(Number(port), address), 'listening');
  } else {
    // A socket for every address answers from the one that is nearest: who listens on 127.0.0.1 says so.
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.on('message', (_, from) => socket.send(`${name} ${port}`, from.port, from.address));
    await once(socket.bind(Number(port), address), 'listening');
  }
}

/** What a connection gave, or the code of its error. */
function ask({ protocol, address, port }: EchoCall): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const giveUp = setTimeout(() => resolve('no answer'), HANGING_MS);
  if (protocol === 'tcp') {
    let said = '';
    createConnection({ host: address, port })
      .on('data', chunk => (said += chunk.toString()))
      .on('end', () => resolve(said))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  } else {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.on('message', chunk => resolve(chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    // Connected: only the answer of whom it asked is one.
    socket.connect(port, address, () => socket.send('?'));
    promise.finally(() => socket.close());
  }
  return promise.finally(() => clearTimeout(giveUp));
}

console.log('ready');
for await (const line of createInterface({ input: process.stdin }))
  console.log(await ask(JSON.parse(line) as EchoCall));
process.exit();
