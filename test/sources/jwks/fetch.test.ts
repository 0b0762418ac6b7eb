import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bounds } from '../../../src/bounds.ts';
import { type FetchContext, fetchKeys, type Resolve } from '../../../src/sources/jwks/fetch.ts';
import { allowedBy } from '../../../src/sources/jwks/ranges.ts';
import { type Authority, authority } from '../../support/certificate.ts';
import { KeyServer, loopback, publicKey, thisMachine } from './key-server.ts';

let trusted: Authority;
let plain: KeyServer;
let secure: KeyServer;
const counts: boolean[] = [];

before(async () => {
  trusted = await authority();
  plain = await KeyServer.start();
  secure = await KeyServer.start(await trusted.issue('DNS:keys.example'));
});
after(() => {
  plain.close();
  secure.close();
});

const fetched = (url: string, given: Partial<FetchContext> = {}, signal = new AbortController().signal) => {
  const ca = trusted.certificate.toString();
  const context = { allows: allowedBy(loopback), resolve: thisMachine, ca, onFetch: (ok: boolean) => counts.push(ok) };
  return fetchKeys(url, { ...context, ...given }, signal);
};

const http = (path = '/'): string => `http://keys.example:${plain.port}${path}`;
const https = (path = '/'): string => `https://keys.example:${secure.port}${path}`;

const key = publicKey('k');
const idsOf = (text: string): readonly string[] =>
  (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(k => k.kid);

test('keys come over HTTP, and over HTTPS from a server that an extra certificate vouches for', async () => {
  for (const server of [plain, secure]) server.serves({ keys: [key] });
  assert.deepEqual(idsOf(await fetched(http())), ['k']);
  assert.deepEqual(idsOf(await fetched(https())), ['k']);
  assert.deepEqual(counts.splice(0), [true, true]);
  await assert.rejects(fetched(https(), { ca: undefined }), /certificate/);
  await assert.rejects(fetched(https().replace('keys.example', 'other.example')), /other\.example/);
  assert.deepEqual(counts.splice(0), [false, false]);
});

test("an issuer's configuration says where its keys are, and does not lead from https to http", async () => {
  secure.answer = (request, response) => {
    const elsewhere = { issuer: 'x', jwks_uri: https('/keys') };
    response.end(JSON.stringify(request.url === '/keys' ? { keys: [key] } : elsewhere));
  };
  assert.deepEqual(idsOf(await fetched(https('/.well-known/openid-configuration'))), ['k']);
  for (const [jwks_uri, reason] of [
    [http('/keys'), /not https/],
    ['file:///etc/passwd', /no http/],
    ['', /no http/],
    [https('/again'), /has no list "keys"/],
  ] as const) {
    secure.serves({ jwks_uri });
    plain.asked.length = 0;
    await assert.rejects(fetched(https()), reason, jwks_uri);
    assert.deepEqual(plain.asked, []);
  }
});

test('a redirect is followed to https alone, and not for ever', async () => {
  secure.answer = (request, response) => {
    if (request.url === '/keys') response.end(JSON.stringify({ keys: [key] }));
    else response.writeHead(302, { location: request.url === '/down' ? http() : '/keys' }).end();
  };
  plain.answer = (_, response) => void response.writeHead(307, { location: https('/keys') }).end();
  assert.deepEqual(idsOf(await fetched(http())), ['k']);
  assert.deepEqual(idsOf(await fetched(https('/moved'))), ['k']);
  plain.asked.length = 0;
  await assert.rejects(fetched(https('/down')), /redirects to http:\/\/keys\.example.* not https/);
  assert.deepEqual(plain.asked, []);
  plain.answer = (_, response) => void response.writeHead(301, { location: '/' }).end();
  await assert.rejects(fetched(http()), /not https/);
  secure.answer = (_, response) => void response.writeHead(301, { location: '/again' }).end();
  secure.asked.length = 0;
  await assert.rejects(fetched(https()), /jwks-redirects/);
  assert.equal(secure.asked.length, bounds['jwks-redirects'].most + 1);
});

test('an address that is blocked is not connected to: as it is, by name, by a redirect, by discovery, or once a name means it', async () => {
  for (const server of [plain, secure]) server.serves({ keys: [key] });
  const ask = (url: string, given: Partial<FetchContext> = {}) =>
    fetched(url, { allows: allowedBy({ allowed: [], blocked: [] }), ...given });
  plain.asked.length = 0;
  for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', 'keys.example'])
    await assert.rejects(ask(`http://${host}:${plain.port}/`), /range that is blocked/, host);
  assert.deepEqual(plain.asked, []);

  // The name of whom it is fetched from at first is good, and its address is let in.
  const metadata: Resolve = async name => [
    { address: name === 'keys.example' ? '127.0.0.1' : '169.254.169.254', family: 4 },
  ];
  const allows = allowedBy({ allowed: ['127.0.0.1'], blocked: [] });
  for (const location of ['https://169.254.169.254/latest', 'https://metadata.example/']) {
    secure.answer = (_, response) => void response.writeHead(302, { location }).end();
    await assert.rejects(ask(https(), { allows, resolve: metadata }), /range that is blocked/, location);
    secure.serves({ jwks_uri: location });
    await assert.rejects(ask(https(), { allows, resolve: metadata }), /range that is blocked/, location);
  }

  // It means one address at first and another at the next look: what is judged is what is connected to.
  let looks = 0;
  const rebinding: Resolve = async () => [{ address: looks++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
  secure.answer = (request, response) =>
    request.url === '/'
      ? response.writeHead(302, { location: '/next' }).end()
      : response.end(JSON.stringify({ keys: [key] }));
  secure.asked.length = 0;
  await assert.rejects(ask(https(), { allows, resolve: rebinding }), /127\.0\.0\.2/);
  assert.deepEqual(secure.asked, ['/']);
  assert.equal(looks, 2);

  // Of several addresses only those that are allowed are tried.
  const both: Resolve = async () => [
    { address: '169.254.169.254', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ];
  secure.serves({ keys: [key] });
  assert.deepEqual(idsOf(await ask(https(), { allows, resolve: both })), ['k']);
});

test('what is too long, too slow, encoded or no JWKS is not taken', async () => {
  const { most } = bounds['jwks-bytes'];
  const padded = (length: number): string => JSON.stringify({ keys: [key] }).padEnd(length);
  plain.answer = (_, response) => void response.end(padded(most));
  assert.deepEqual(idsOf(await fetched(http())), ['k']);
  plain.answer = (_, response) => void response.end(padded(most + 1));
  await assert.rejects(fetched(http()), /jwks-bytes/);
  let written = 0;
  plain.answer = (_, response) => {
    // Without a length, for nearly as long as somebody reads.
    const more = (): void => {
      written += 65_536;
      if (written > 64 * most) response.end();
      else if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more));
    };
    more();
  };
  await assert.rejects(fetched(http()), /jwks-bytes/);
  assert.ok(written < 64 * most, `${written} bytes were written`);
  for (const head of [true, false]) {
    plain.answer = (_, response) => {
      if (head) response.write('{"keys":');
    };
    await assert.rejects(fetched(http(), {}, AbortSignal.timeout(200)), /abort/i);
  }
  for (const [body, reason] of [
    ['', /no JSON/],
    ['<html>', /no JSON/],
    ['[]', /no JSON object/],
    ['{}', /neither a list "keys"/],
    ['{"keys":{}}', /neither a list "keys"/],
    ['{"keys":[]}', /no key/],
    ['{"keys":[{"kty":"RSA"},null,1]}', /no key/],
  ] as const) {
    plain.answer = (_, response) => void response.end(body);
    await assert.rejects(fetched(http()), reason, body);
  }
  plain.answer = (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
  await assert.rejects(fetched(http()), /encoded as gzip/);
  plain.answer = (_, response) => void response.writeHead(503).end();
  await assert.rejects(fetched(http()), /status 503/);
  await assert.rejects(fetched(http().replace('//', '//user:word@')), /password/);
});

test('the same keys are the same text in any order, and nothing secret of them is kept', async () => {
  const [a, b] = [publicKey('a'), publicKey('b')];
  plain.serves({ keys: [a, { ...b, d: 'secret' }, { kty: 'RSA' }] });
  const first = await fetched(http());
  plain.serves({ keys: [b, Object.fromEntries(Object.entries(a).reverse()), a] });
  assert.equal(await fetched(http()), first);
  assert.deepEqual(idsOf(first).toSorted(), ['a', 'b']);
  assert.ok(!first.includes('secret'));
});
