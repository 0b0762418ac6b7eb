import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { framed } from '../support/grpc-frame.ts';
import { type Attack, again, type Load, list, over, part, perSecond, rest } from './attack.ts';
import { ask, call, callHeaders, frame, frames, nodeOf, RawPeer, request, session } from './wire.ts';

const MB = 1 << 20;

/** A number that no other peer of this process has had. */
let serial = 1;
const filler = (bytes: number): string => String(serial++).padEnd(bytes, 'x');
const announced = Buffer.from([0, 0, 0x40, 0, 0]);

function unreading({ address }: Load): void {
  const on = session(address);
  const { stream } = call(on);
  stream.pause();
  ask(stream, { node: nodeOf(serial++, { NAMESPACE: `other-${serial}` }) });
}

/** What peers do to the xDS port. */
export const xdsAttacks: Readonly<Record<string, Attack>> = {
  'one-byte-frames': {
    what: '4 connections, never admitted, each a message of 4 MiB in DATA frames of one byte',
    meets: ['request-frames'],
    run: load =>
      Promise.all(
        list(4).map(() =>
          again(load, async () => {
            const peer = new RawPeer(load.address);
            peer.send(frame(frames.HEADERS, 4, 1, callHeaders), frame(frames.DATA, 0, 1, announced));
            await peer.data(1, 4 * MB, 1);
            peer.close();
          }),
        ),
      ).then(() => {}),
  },
  'half-messages': {
    what: '500 streams on one connection, each with all but the last byte of a 4 MiB message',
    meets: ['first-request-bytes', 'connection-request-bytes'],
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        await Promise.all(
          list(part(load, 500)).map(() => {
            const { stream, status } = call(on);
            stream.write(framed(Buffer.alloc(4 * MB)).subarray(0, -1));
            return status;
          }),
        );
        on.destroy();
      }),
  },
  'half-messages-after-admission': {
    what: '50 connections of streams that are admitted, each with all but the last byte of a 4 MiB message',
    meets: ['connection-request-bytes', 'process-request-bytes'],
    run: load =>
      Promise.all(
        list(part(load, 50)).map(() =>
          again(load, async () => {
            const on = session(load.address);
            const calls = list(3).map(() => call(on));
            for (const { stream } of calls) {
              ask(stream, { node: nodeOf(serial++) });
              stream.write(framed(Buffer.alloc(4 * MB)).subarray(0, -1));
            }
            await Promise.race([rest(load), ...calls.map(({ status }) => status)]);
            on.destroy();
          }),
        ),
      ).then(() => {}),
  },
  'large-nodes': {
    what: '500 streams, each with other metadata of 3.9 MB in its Node',
    meets: ['first-request-bytes'],
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        await Promise.all(
          list(part(load, 500)).map(() => {
            const { stream, status } = call(on);
            ask(stream, { node: nodeOf(serial++, { X: filler(3_900_000) }) });
            return status;
          }),
        );
        on.destroy();
      }),
  },
  'nodes-within-the-bound': {
    what: '500 streams on 10 connections, each with other metadata of 250 kB in its Node, that stay',
    run: async load => {
      const on = list(10).map(() => session(load.address));
      for (const n of list(part(load, 500))) {
        const { stream } = call(on[n % 10] ?? session(load.address));
        stream.resume();
        ask(stream, { node: nodeOf(serial++, { X: filler(250_000) }) });
        await pause(1);
      }
      await rest(load);
    },
  },
  'comes-and-goes': {
    what: 'proxies that come and go, each with its own namespace, cluster id and labels',
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        const { stream } = call(on);
        const own = `n-${serial++}`;
        ask(stream, { node: nodeOf(serial, { NAMESPACE: own, CLUSTER_ID: own, [own]: own }) });
        await new Promise(resolve => stream.once('data', resolve).once('close', resolve));
        on.destroy();
      }),
  },
  'one-name-more': {
    what: '198,000 names, then requests for one name more',
    run: async load => {
      const { stream } = call(session(load.address));
      stream.resume();
      ask(stream, { node: nodeOf(serial++), type: 'endpoint', names: list(part(load, 198_000)).map(n => `name-${n}`) });
      await again(load, async () => ask(stream, { type: 'endpoint', names: [`more-${serial++}`] }));
    },
  },
  'long-names': {
    what: '48 names of 3.9 MB',
    meets: ['stream-name-bytes'],
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        const { stream, status } = call(on);
        stream.resume();
        ask(stream, { node: nodeOf(serial++) });
        for (const _ of list(48)) ask(stream, { type: 'endpoint', names: [filler(3_900_000)] });
        await Promise.race([rest(load), status]);
        on.destroy();
      }),
  },
  'many-versions': {
    what: 'streams that come back with 30,000 versions of resources that there are not, and do not read',
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        const { stream } = call(on);
        stream.pause();
        const versions = Object.fromEntries(
          list(part(load, 30_000)).map(n => [`${serial}-${n}-of-another-world`, '1']),
        );
        ask(stream, { node: nodeOf(serial++), type: 'cluster', versions });
        await pause(50);
      }),
  },
  'not-reading': {
    what: '200 new streams a second that do not read',
    run: perSecond(200, unreading),
  },
  'not-reading-1000': {
    what: '1,000 new streams a second that do not read',
    run: perSecond(1_000, unreading),
  },
  'after-refusal': {
    what: '21 MB after a frame that is refused, on 4 connections',
    meets: ['request-bytes'],
    run: load =>
      Promise.all(
        list(4).map(() =>
          again(load, async () => {
            const peer = new RawPeer(load.address);
            peer.send(
              frame(frames.HEADERS, 4, 1, callHeaders),
              frame(frames.DATA, 0, 1, Buffer.alloc(5, 0xff).fill(0, 0, 1)),
            );
            await Promise.race([peer.data(1, part(load, 21 * MB), 1_000), pause(1_000)]);
            peer.close();
          }),
        ),
      ).then(() => {}),
  },
  'refused-nodes': {
    what: 'Nodes that are refused, with ids of 200 kB, 200 a second',
    meets: ['node-id'],
    run: perSecond(200, ({ address }) => {
      const on = session(address);
      const { stream, status } = call(on);
      ask(stream, { node: { id: filler(200_000) } });
      void status.then(() => on.destroy());
    }),
  },
  'rejects-everything': {
    what: '20 proxies that refuse all they get, in 4 kB of words, and ask again',
    run: async load => {
      for (const _ of list(20)) {
        const { stream } = call(session(load.address));
        ask(stream, { node: nodeOf(serial++) });
        stream.on('data', () => {
          const nonce = String(serial++);
          ask(stream, { nonce, error: filler(8_000), names: [`again-${nonce}`] });
        });
      }
      await rest(load);
    },
  },
  bombs: {
    what: 'requests that inflate to 800 MB, on 8 connections',
    meets: ['first-request-bytes', 'request-bytes'],
    run: async load => {
      const bomb = framed(gzipSync(Buffer.alloc(part(load, 800 * MB))));
      bomb[0] = 1;
      await Promise.all(
        list(8).map(() =>
          again(load, async () => {
            const on = session(load.address);
            const { stream, status } = call(on, { 'grpc-encoding': 'gzip' });
            stream.write(bomb);
            await Promise.race([status, rest(load)]);
            on.destroy();
          }),
        ),
      );
    },
  },
  'silent-connections': {
    what: '10,000 connections that answer pings and ask for nothing',
    meets: ['silent-connections'],
    run: async load => {
      for (const n of list(part(load, 10_000))) {
        new RawPeer(load.address).send(frame(frames.PING, 0, 0, Buffer.alloc(8)));
        if (n % 50 === 0) await pause(5);
      }
      await rest(load);
    },
  },
  'unended-headers': {
    what: '100 connections with HEADERS that never end',
    run: async load => {
      for (const _ of list(part(load, 100))) new RawPeer(load.address).beginHeaders();
      await rest(load);
    },
  },
  floods: {
    what: 'pings, settings and resets as fast as they go, on 6 connections',
    run: load =>
      Promise.all(
        [
          frame(frames.PING, 0, 0, Buffer.alloc(8)),
          frame(frames.SETTINGS, 0, 0),
          Buffer.concat([frame(frames.HEADERS, 4, 1, callHeaders), frame(frames.RST_STREAM, 0, 1, Buffer.alloc(4))]),
        ].flatMap(bytes =>
          list(2).map(() =>
            again(load, async () => {
              const peer = new RawPeer(load.address);
              while (!peer.gone && !over(load)) {
                peer.send(...new Array<Buffer>(100).fill(bytes));
                await peer.drained();
                await pause(0);
              }
              peer.close();
            }),
          ),
        ),
      ).then(() => {}),
  },
  'many-requests': {
    what: '20 streams that ask for one name more as fast as it goes',
    run: load =>
      Promise.all(
        list(20).map(async () => {
          const { stream } = call(session(load.address));
          stream.resume();
          ask(stream, { node: nodeOf(serial++), type: 'endpoint' });
          await again(load, async () => {
            for (const _ of list(20)) stream.write(framed(request({ type: 'endpoint', names: [`n-${serial++}`] })));
            if (stream.writableNeedDrain)
              await new Promise(resolve => stream.once('drain', resolve).once('close', resolve));
          });
        }),
      ).then(() => {}),
  },
  malformed: {
    what: 'messages that are none, on new streams as fast as they are refused',
    run: load =>
      Promise.all(
        list(10).map(async () => {
          const on = session(load.address);
          await again(load, async () => {
            const { stream, status } = call(on.destroyed ? session(load.address) : on);
            stream.write(framed(Buffer.from([0x0a, 0xff, 0xff, 0xff])));
            await Promise.race([status, rest(load)]);
          });
        }),
      ).then(() => {}),
  },
  'types-not-served': {
    what: 'requests for types that are not served, with 1 MB of names, unread',
    meets: ['other-response-bytes'],
    run: load =>
      again(load, async () => {
        const on = session(load.address);
        const { stream, status } = call(on);
        stream.pause();
        ask(stream, { node: nodeOf(serial++) });
        for (const n of list(8)) ask(stream, { type: `type-${n}`, names: list(100).map(() => filler(5_000)) });
        await Promise.race([status, rest(load), pause(500)]);
        on.destroy();
      }),
  },
};
