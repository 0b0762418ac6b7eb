import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectNet, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { type Attack, again, type Load, list, over, part, rest } from './attack.ts';
import { ask, call, nodeOf, session } from './wire.ts';
import { xdsAttacks } from './xds-attacks.ts';

const hostAndPort = (address: string) => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
};

/** The beginning of a handshake: a record of 512 bytes with a ClientHello, of which the last ones are missing. */
const halfHello = Buffer.concat([Buffer.from('16030102000100 01fc0303'.replaceAll(' ', ''), 'hex'), randomBytes(200)]);

function connection({ tls }: Load): Socket {
  const socket = connectNet(hostAndPort(tls));
  socket.on('error', () => {}).resume();
  return socket;
}

/** A token that says it is the control plane's own, and that nobody has signed. */
function forgedToken(n: number): string {
  const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sub = `system:serviceaccount:load:account-${n}`;
  const claims = { iss: 'pilotlight', aud: ['istio-ca'], sub, exp: Math.floor(Date.now() / 1000) + 3_600 };
  return `${text({ alg: 'ES256' })}.${text(claims)}.${randomBytes(64).toString('base64url')}`;
}

/** What is done to the xDS port, done to the TLS port. */
const overTls = (name: string): Attack => {
  const attack = xdsAttacks[name];
  if (!attack) throw new Error(`there is no attack ${name}`);
  const run = (load: Load): Promise<void> => attack.run({ ...load, address: `tls:${load.tls}` });
  return { ...attack, what: `over TLS: ${attack.what}`, on: 'folder', run };
};

let serial = 0;

/** What peers do to the TLS port. */
export const tlsAttacks: Readonly<Record<string, Attack>> = {
  'unfinished-handshakes': {
    what: '10,000 connections that begin a handshake and never end it; those that are cut off come again',
    on: 'folder',
    meets: ['silent-connections'],
    run: load =>
      Promise.all(
        list(part(load, 10_000)).map(async n => {
          await pause(n / 10);
          await again(load, async () => {
            const socket = connection(load);
            socket.write(halfHello);
            await Promise.race([once(socket, 'close'), rest(load)]);
          });
        }),
      ).then(() => {}),
  },
  'slow-handshakes': {
    what: '500 connections, a byte of a handshake every second on each',
    on: 'folder',
    run: load =>
      Promise.all(
        list(part(load, 500)).map(n =>
          again(load, async () => {
            const socket = connection(load);
            for (let at = 0; !over(load) && !socket.destroyed; at++) {
              socket.write(halfHello.subarray(at, at + 1));
              await pause(1_000 + (n % 100));
            }
          }),
        ),
      ).then(() => {}),
  },
  handshakes: {
    what: 'connections that finish their handshake and go, 16 at once, as fast as they come',
    on: 'folder',
    run: load =>
      Promise.all(
        list(16).map(() =>
          again(load, async () => {
            const socket = connectTls({ ...hostAndPort(load.tls), ALPNProtocols: ['h2'], rejectUnauthorized: false });
            socket.on('error', () => {});
            await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
            socket.destroy();
          }),
        ),
      ).then(() => {}),
  },
  'forged-tokens': {
    what: 'streams on 10 connections over TLS, each with a forged token that no other has',
    on: 'folder',
    run: load =>
      Promise.all(
        list(10).map(() =>
          again(load, async () => {
            const on = session(`tls:${load.tls}`);
            while (!over(load) && !on.destroyed)
              await Promise.all(
                list(10).map(() => {
                  const { stream, status } = call(on, { authorization: `Bearer ${forgedToken(serial++)}` });
                  ask(stream, { node: nodeOf(serial) });
                  return status;
                }),
              );
            on.destroy();
          }),
        ),
      ).then(() => {}),
  },
  'half-messages-over-tls': overTls('half-messages'),
};
