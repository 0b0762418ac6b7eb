import { type ClientRequest, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Attack, again, type Load, list, part, rest } from './attack.ts';

const DUMP = '/debug/config_dump?proxyID=peer-1.load';

function open({ http }: Load): Socket {
  const at = http.lastIndexOf(':');
  const socket = connect(Number(http.slice(at + 1)), http.slice(0, at).replace('localhost', '127.0.0.1'));
  socket.on('error', () => {});
  return socket;
}

/** Reads a page to its end, and forgets it. */
const read = ({ http }: Load, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const asked: ClientRequest = get(`http://${http}${path}`, { agent: false }, response => {
      response.resume();
      response.once('close', resolve);
    });
    asked.once('error', reject);
  });

/** What clients of the pages do. */
export const httpAttacks: Readonly<Record<string, Attack>> = {
  'http-idle': {
    what: '400 HTTP connections that say nothing, or begin a request and do not end it',
    meets: ['http-connections-per-address'],
    async run(load) {
      for (const n of list(part(load, 400))) {
        const socket = open(load);
        if (n % 2) socket.write('GET /ready HTTP/1.1\r\nHost: a\r\nX-');
        if (n % 20 === 0) await pause(5);
      }
      await rest(load);
    },
  },
  'http-readers': {
    what: '50 readers of a config dump',
    run: load => Promise.all(list(part(load, 50)).map(() => again(load, () => read(load, DUMP)))).then(() => {}),
  },
  'http-unread': {
    what: '250 that ask for a config dump and do not read it',
    run: load =>
      Promise.all(
        list(part(load, 250)).map(() =>
          again(load, async () => {
            const socket = open(load).pause();
            socket.write(`GET ${DUMP} HTTP/1.1\r\nHost: a\r\n\r\n`);
            await Promise.race([new Promise(resolve => socket.once('close', resolve)), rest(load)]);
            socket.destroy();
          }),
        ),
      ).then(() => {}),
  },
  'http-pipelined': {
    what: '250 that ask for a thousand config dumps at once and read none',
    meets: ['http-requests-per-connection', 'http-connections-per-address'],
    run: load =>
      Promise.all(
        list(part(load, 250)).map(() =>
          again(load, async () => {
            const socket = open(load).pause();
            socket.write(`GET ${DUMP} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(1_000));
            await Promise.race([new Promise(resolve => socket.once('close', resolve)), rest(load)]);
            socket.destroy();
            await pause(20);
          }),
        ),
      ).then(() => {}),
  },
};
