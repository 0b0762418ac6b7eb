// node relay.mjs PORT SOCKET: connections to PORT of 127.0.0.1, in whatever network this runs, go on to a Unix socket, which every network has.
import { connect, createServer } from 'node:net';

const [, , port, path] = process.argv;
createServer(client => {
  const server = connect(path);
  client.pipe(server).pipe(client);
  for (const [one, other] of [
    [client, server],
    [server, client],
  ])
    one.on('error', () => other.destroy());
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
