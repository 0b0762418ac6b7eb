import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { readCaSecret } from '../../src/security/ca-secret.ts';
import { readCacerts } from '../../src/security/cacerts.ts';
import { type OwnCertificate, ownCertificate } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { authorityOf, begin, proceed, settled } from '../../src/security/rotation.ts';
import { type Envoy, envoyMissing, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { newCertificate, type Signer } from './openssl.ts';

// Whatever time openssl takes.
const [istiods, pluggedRoot] = [newCertificate({ kind: 'rsa:2048' }), newCertificate()];
const pluggedSigner = newCertificate({ subject: '/O=cluster.local', kind: 'P-384', signer: pluggedRoot });
const now = Date.now() + 1_000;
const pace = { beforeSigning: 0, beforeDropping: 0 };
const idOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const bytes = (text: string): Buffer => Buffer.from(text);

function istiodRoot({ certificate, key }: Signer): CertificateAuthority {
  const read = readCaSecret({ 'ca-cert.pem': bytes(certificate), 'ca-key.pem': bytes(key) }, now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  return read.value;
}

function pluggedBelow(root: Signer, signer: Signer): CertificateAuthority {
  const read = readCacerts(
    {
      'ca-cert.pem': bytes(signer.certificate),
      'ca-key.pem': bytes(signer.key),
      'cert-chain.pem': bytes(signer.certificate + root.certificate),
      'root-cert.pem': bytes(root.certificate),
    },
    now,
  );
  assert.ok(read.ok, JSON.stringify(read.faults));
  return read.value;
}

/** From the RSA root of an istiod to one of ours, and from that to an intermediate of somebody's. All roots have the same name. */
async function way(): Promise<readonly CertificateAuthority[]> {
  const first = settled(istiodRoot(istiods), now);
  const distribute = begin(first, rootAuthority(await makeRoot('cluster.local', now)), now);
  const sign = proceed(distribute, 0, now, pace);
  const own = proceed(sign, 0, now, pace);
  const distributePlugged = begin(own, pluggedBelow(pluggedRoot, pluggedSigner), now);
  const signPlugged = proceed(distributePlugged, 0, now, pace);
  const plugged = proceed(signPlugged, 0, now, pace);
  return [first, distribute, sign, own, distributePlugged, signPlugged, plugged].map(authorityOf);
}

/** A server that wants a certificate from its clients, and answers with the identity that it found in it. */
function listener(port: number, { chain, key, roots }: OwnCertificate): object {
  const tls = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { inline_string: chain.join('') }, private_key: { inline_string: key.revealPem() } },
      ],
      validation_context: { trusted_ca: { inline_string: roots } },
    },
  };
  const answer = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'it',
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: answer }],
    route_config: {
      response_headers_to_add: [{ header: { key: 'peer', value: '%DOWNSTREAM_PEER_URI_SAN%' } }],
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
  };
  return {
    name: `${port}`,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  };
}

/** Whom a server finds the client to be; each verifies the other. */
const call = (port: number, { chain, key, roots }: OwnCertificate): Promise<string> =>
  new Promise((resolve, reject) => {
    request(
      {
        ...{ host: '127.0.0.1', port, agent: false, cert: chain.join(''), key: key.revealPem(), ca: roots },
        checkServerIdentity: (_, { subjectaltname }) =>
          subjectaltname === `URI:${idOf('server')}` ? undefined : new Error(subjectaltname),
      },
      response => {
        response.resume();
        resolve(String(response.headers['peer']));
      },
    )
      .on('error', reject)
      .end();
  });

const skip = await envoyMissing();

describe('a real Envoy and OpenSSL, while roots change', { skip }, () => {
  let envoy: Envoy;
  let clients: readonly OwnCertificate[];
  const ports: number[] = [];

  before(async () => {
    const authorities = await way();
    const made = (account: string) =>
      Promise.all(authorities.map(authority => ownCertificate(authority, [idOf(account)], 3_600, now)));
    const servers = await made('server');
    clients = await made('client');
    assert.deepEqual(
      servers.map(({ roots }) => roots),
      authorities.map(rootBundle),
    );
    for (const _ of servers) ports.push(await freePorts());
    const admin = await freePorts();
    const bootstrap = {
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
      static_resources: { listeners: servers.map((server, at) => listener(ports[at] ?? 0, server)) },
    };
    envoy = await startEnvoy({ bootstrap: JSON.stringify(bootstrap), admin: `127.0.0.1:${admin}` });
    await until('Envoy to listen', async () => (await envoy.admin('/ready')).startsWith('LIVE'));
  });
  after(() => envoy?.stop());

  test('proxies of the same step, and of one step before or after, know one another', async () => {
    let calls = 0;
    for (const [at, port] of ports.entries())
      for (const client of clients.slice(Math.max(0, at - 1), at + 2)) {
        assert.equal(await call(port, client), idOf('client'), `server of step ${at}`);
        calls++;
      }
    assert.equal(calls, 19);
  });

  test('a proxy that still has a leaf of the first root is refused once that root is dropped', async () => {
    const [first] = clients;
    const lastRoots = clients.at(-1)?.roots ?? '';
    assert.ok(first);
    await assert.rejects(
      call(ports.at(-1) ?? 0, { ...first, roots: lastRoots }),
      /unknown ca|ECONNRESET|hang up|alert/,
    );
  });
});
