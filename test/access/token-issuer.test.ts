import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decodeJwt } from 'jose';
import { readJwtRule } from '../../src/access/jwt-rule.ts';
import { followIssuer } from '../../src/access/token-issuer.ts';
import { UsageError } from '../../src/command.ts';
import { createLog } from '../../src/log/log.ts';
import type { Peer, Proof } from '../../src/security/authenticate.ts';
import { loopback } from '../sources/jwks/key-server.ts';
import { HeldClock } from '../support/clock.ts';
import { OidcIssuer } from '../support/oidc-issuer.ts';
import { until } from '../support/until.ts';

const peer = (token: string): Peer => ({ certificates: [], authorization: [`Bearer ${token}`], clusterId: '' });

/** An issuer, and who follows its keys by a rule. */
async function following(
  ruleOf: (issuer: OidcIssuer) => object = ({ url }) => ({ issuer: url, audiences: ['istio-ca'] }),
) {
  const issuer = await OidcIssuer.start();
  const stop = new AbortController();
  const clock = new HeldClock();
  clock.pass(Date.now() - clock.now());
  after(() => {
    stop.abort();
    issuer.close();
  });
  const { log } = createLog('silent');
  const context = { ranges: loopback, ca: undefined, clock, signal: stop.signal, onFetch: () => {} };
  const rule = readJwtRule('jwt-rule', JSON.stringify(ruleOf(issuer)));
  const { authenticator, problems, tried } = followIssuer(rule, { ...context, trustDomain: () => 'td', log });
  const proof = async (token: string | Promise<string>): Promise<Proof> =>
    authenticator.authenticate(peer(await token));
  return { issuer, clock, problems, tried, proof };
}

const uri = (proof: Proof): string => (proof.ok ? proof.caller.identity.uri : proof.reason);
const APP = 'spiffe://td/ns/default/sa/app';

for (const [from, ruleOf] of Object.entries({
  'an issuer that says where its keys are': undefined,
  'an address of keys': ({ url, jwksUri }: OidcIssuer) => ({ issuer: url, jwksUri, audiences: ['other', 'istio-ca'] }),
}))
  test(`tokens by ${from}: its own are taken, as the service account's that they name`, async () => {
    const { issuer, problems, tried, proof } = await following(ruleOf);
    await tried();
    assert.deepEqual(problems(), []);
    const token = await issuer.token('default', 'app');
    const own = await proof(token);
    assert.equal(uri(own), APP);
    assert.ok(own.ok && own.caller.proof === 'oidc');
    assert.equal(own.caller.expiresAt, 1_000 * (decodeJwt(token).exp ?? 0));
    const other = await OidcIssuer.start();
    after(() => other.close());
    const table: readonly (readonly [Promise<string>, RegExp])[] = [
      [issuer.token('default', 'app', 'vault'), /unexpected "aud"/],
      [issuer.token('default', 'app', 'istio-ca', { nbf: Date.now() / 1_000 + 600 }), /"nbf"/],
      [other.token('default', 'app'), /of another issuer/],
      [Promise.resolve('a.b.c'), /of another issuer/],
    ];
    for (const [token, reason] of table) assert.match(uri(await proof(token)), reason);
    assert.equal(
      issuer.server.asked.filter(path => path === '/keys').length,
      1,
      'nothing is fetched for what it refuses',
    );
  });

test('a key that is not known is fetched, by no proxy that waits, and not for every token', async () => {
  const { issuer, clock, tried, proof } = await following();
  await tried();
  await issuer.rotate('second');
  const token = issuer.token('default', 'app');
  const fetched = (): number => issuer.server.asked.filter(path => path === '/keys').length;
  for (let i = 0; i < 5; i++) assert.match(uri(await proof(token)), /no applicable key/);
  assert.equal(fetched(), 1);
  clock.pass(30_000);
  assert.match(uri(await proof(token)), /no applicable key/);
  await until('the new key', async () => uri(await proof(token)) === APP);
  assert.equal(fetched(), 2);
  // A key without a name: each that it may be is tried, and another one in its place is missed.
  await issuer.rotate();
  issuer.withdraw();
  const nameless = issuer.token('default', 'app');
  clock.pass(30_000);
  await until('the nameless key', async () => uri(await proof(nameless)) === APP);
  await issuer.rotate();
  clock.pass(30_000);
  const again = issuer.token('default', 'app');
  await until('either of two nameless keys', async () => uri(await proof(again)) === APP);
  assert.equal(uri(await proof(nameless)), APP);
});

test('an issuer that cannot be asked: a Problem, and the keys of before stay', async () => {
  const { issuer, clock, problems, tried, proof } = await following();
  await tried();
  const token = issuer.token('default', 'app');
  assert.equal(uri(await proof(token)), APP);
  issuer.server.answer = (_, response) => void response.writeHead(503).end();
  clock.pass(30 * 60_000);
  const [problem] = await until('a problem', () => (problems().length ? problems() : undefined));
  assert.match(problem?.message ?? '', /openid-configuration cannot be fetched: .*503; those of before are used$/);
  assert.equal(problem?.severity, 'warning');
  const {
    issuer: silent,
    problems: early,
    proof: by,
  } = await following(({ url }) => ({
    issuer: url,
    jwksUri: `${url}/nowhere`,
    audiences: ['istio-ca'],
  }));
  assert.match(
    uri(await by(silent.token('default', 'app'))),
    /its keys are not there: (they have not been fetched yet|.* answered with status 404)/,
  );
  const first = await until('a word', () => early().find(({ message }) => message.includes('404')));
  assert.match(first.message, /no token of it is taken$/);
});

test("a configuration that is another issuer's is not believed", async () => {
  const impostor = await OidcIssuer.start();
  after(() => impostor.close());
  impostor.server.serves({ issuer: 'https://another.example.com', jwks_uri: impostor.jwksUri });
  const { problems, tried, proof } = await following(() => ({ issuer: impostor.url, audiences: ['istio-ca'] }));
  await tried();
  assert.match(
    problems()[0]?.message ?? '',
    /is the configuration of "https:\/\/another\.example\.com", not of "http:/,
  );
  assert.ok(!impostor.server.asked.includes('/keys'), 'its keys are not asked for');
  assert.ok(!(await proof(impostor.token('default', 'app'))).ok);
});

test('keys in the rule itself', async () => {
  const holder = await OidcIssuer.start();
  after(() => holder.close());
  const jwks = await (await fetch(holder.jwksUri)).text();
  const { proof, tried } = await following(() => ({ issuer: holder.url, jwks, audiences: ['istio-ca'] }));
  await tried();
  assert.equal(uri(await proof(holder.token('default', 'app'))), APP);
});

test('a mistake in a rule names the option, and the field', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['x', /it is no JSON; expected a JWTRule such as \{"issuer"/],
    ['[]', /expected an object, found a list; expected a JWTRule/],
    ['{"isuer": "https://a"}', /isuer: unknown field; expected a JWTRule/],
    ['{"audiences": ["a"]}', /issuer: it is missing/],
    ['{"issuer": "https://a"}', /audiences: one at least is needed/],
    ['{"issuer": "https://a", "audiences": [""]}', /audiences: one at least is needed, and none may be empty/],
    ['{"issuer": "https://a", "audiences": "a"}', /audiences: .*expected a JWTRule/],
    ['{"issuer": "a", "audiences": ["a"]}', /issuer: "a" is no http\(s\) URL to ask for its keys; jwksUri may say/],
    ['{"issuer": "a", "jwksUri": "b", "audiences": ["a"]}', /jwksUri: "b" is no http\(s\) URL/],
    ['{"issuer": "a", "jwks": "{}", "audiences": ["a"]}', /jwks: it has no list "keys"/],
    [
      '{"issuer": "https://a", "audiences": ["a"], "fromParams": ["b"]}',
      /fromParams: it says nothing about who a proxy is/,
    ],
  ];
  for (const [rule, reason] of table)
    assert.throws(
      () => readJwtRule('jwt-rule', rule),
      error => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, new RegExp(`^--jwt-rule: ${reason.source}`));
        return true;
      },
    );
});
