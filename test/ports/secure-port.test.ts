import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import type { AuthorityHeard } from '../../src/authority/cluster-authority.ts';
import { systemClock } from '../../src/clock.ts';
import type { Call } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import { createLog, silentLog } from '../../src/log/log.ts';
import { ListenError, openPorts } from '../../src/ports/ports.ts';
import { runSecurePort, type SecurePortState } from '../../src/ports/secure-port.ts';
import { Acknowledgements } from '../../src/security/acknowledgements.ts';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { validityOf } from '../../src/security/certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import type { Address } from '../../src/settings/address.ts';
import { HeldClock } from '../support/clock.ts';
import { freePorts } from '../support/free-ports.ts';
import { framed } from '../support/grpc-frame.ts';
import { until } from '../support/until.ts';

const DAY = 24 * 3_600_000;
const [old, next] = await Promise.all([1, 2].map(() => makeRoot('cluster.local', Date.now() - 100 * DAY)));
assert.ok(old && next);
const path = '/a.Service/Echo';

const echo = (call: Call): void => {
  call.admit();
  call.listen({
    message: bytes => call.write([framed(Buffer.from(bytes))], () => {}),
    end: () => call.end(status.OK, ''),
    close: () => {},
  });
};

const noPorts = () =>
  openPorts([], {
    clock: systemClock,
    rightsOf: () => assert.fail(),
    log: silentLog,
    boundMet: () => {},
  });

/** The port as the control plane runs it, with an authority that the test gives it, by a clock that is 46 days late. */
async function serve(address: Address = { host: '127.0.0.1', port: 0 }) {
  const ports = await noPorts();
  const stopping = new AbortController();
  const { log, end } = createLog('silent');
  after(async () => {
    stopping.abort();
    await ports.close(0);
    end();
  });
  const clock = new HeldClock();
  clock.pass(Date.now() - 46 * DAY - clock.now());
  const state: SecurePortState = { open: false, problems: [] };
  const failures: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<AuthorityHeard>();
  void runSecurePort(
    {
      address,
      tokens: [],
      methods: { [path]: echo },
      clock,
      log,
      settings: {
        mesh: { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' },
        revision: 'canary',
        tlsHosts: ['istiod.example.com', '10.0.0.1'],
        workloadCertTtl: DAY / 1_000,
      },
      meshSettings: () => undefined,
      ports,
      acknowledgements: new Acknowledgements(),
      state,
      onOutcome: () => {},
      failed: error => failures.push(error),
      signal: stopping.signal,
    },
    {
      followAuthority: async (_, heard) => resolve(heard),
      review: () => assert.fail('no token was shown'),
      access: () => assert.fail('nobody wants a private key'),
    },
  );
  const heard = await promise;
  const shown = async (authority: CertificateAuthority): Promise<X509Certificate> => {
    const [host = '', port] = ports.reachedAt('tls').split(':');
    const socket = connect({
      host,
      port: Number(port),
      ca: rootBundle(authority),
      servername: 'istiod-canary.istio-system.svc',
      ALPNProtocols: ['h2'],
    });
    try {
      await once(socket, 'secureConnect');
      return socket.getPeerX509Certificate() ?? assert.fail('no certificate was shown');
    } finally {
      socket.destroy();
    }
  };
  return { heard, state, failures, clock, shown, ports };
}

/** Opens a stream; `say` resolves once what it says has come back. */
function streamOf(address: string, authority: CertificateAuthority) {
  const same = (bytes: Buffer): Buffer => bytes;
  const client = new Client(address, ChannelCredentials.createSsl(Buffer.from(rootBundle(authority))), {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
  });
  after(() => client.close());
  const call = client.makeBidiStreamRequest(path, same, same);
  call.on('error', () => {});
  const said: string[] = [];
  call.on('data', (bytes: Buffer) => said.push(bytes.toString()));
  return async (text: string): Promise<void> => {
    call.write(Buffer.from(text));
    await until(`${text} to come back`, () => said.includes(text));
  };
}

test('the certificate: its names; renewed at half its life and with the authority, while a stream goes on', async () => {
  const { heard, state, failures, clock, shown, ports } = await serve();
  const authority = rootAuthority(old);
  heard.inForce(authority);
  await until('the port', () => state.open);
  const first = await shown(authority);
  assert.deepEqual(
    first.subjectAltName?.split(', ').sort(),
    [
      ...['istiod', 'istiod-canary', 'istiod-remote', 'istio-pilot'].map(host => `DNS:${host}.istio-system.svc`),
      'DNS:istiod.example.com',
      'IP Address:10.0.0.1',
    ].sort(),
  );
  const say = streamOf(ports.reachedAt('tls'), authority);
  await say('before');

  clock.pass(44 * DAY);
  assert.equal((await shown(authority)).fingerprint256, first.fingerprint256, 'half of its life is not over');
  clock.pass(2 * DAY);
  const second = await until('another certificate', async () => {
    const certificate = await shown(authority);
    return certificate.fingerprint256 === first.fingerprint256 ? undefined : certificate;
  });
  assert.ok(validityOf(second).notAfter > validityOf(first).notAfter + 45 * DAY);
  await say('renewed');

  const other = rootAuthority(next);
  heard.inForce(other);
  await until('the other authority', () => shown(other).catch(() => false));
  await say('under another authority');
  assert.deepEqual(failures, []);
});

test('where the authority ends soon the certificate is renewed long before an hour is over', async () => {
  const { heard, state, clock, shown } = await serve();
  // What is signed after the five minutes is good at once for who connects, whose time is the real one.
  const now = Date.now() - 300_000;
  clock.pass(now - clock.now());
  const authority = { ...rootAuthority(old), notAfter: now + 600_000 };
  heard.inForce(authority);
  await until('the port', () => state.open);
  const { fingerprint256 } = await shown(authority);
  clock.pass(299_000);
  assert.equal((await shown(authority)).fingerprint256, fingerprint256);
  clock.pass(1_000);
  await until('another certificate', async () => (await shown(authority)).fingerprint256 !== fingerprint256);
});

test('a port that somebody else has by the time it is opened ends the control plane', async () => {
  const ports = await noPorts();
  const address = await ports.probe({ name: 'tls', address: { host: '127.0.0.1', port: await freePorts() } });
  const taken = createServer().listen(address.port, address.host);
  after(() => taken.close());
  await once(taken, 'listening');
  await assert.rejects(ports.probe({ name: 'tls', address }), ListenError);
  const { heard, state, failures } = await serve(address);
  heard.inForce(rootAuthority(old));
  await until('a word', () => failures.length > 0);
  assert.ok(failures[0] instanceof ListenError && failures[0].port === 'tls');
  assert.equal(state.open, false);
});
