import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { serve as serveCommand } from '../../src/cli/commands.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { readArguments } from '../../src/command.ts';
import { startControlPlane } from '../../src/control-plane.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import { directorySource } from '../../src/sources/directory.ts';
import { Issuer } from '../security/issuer.ts';
import { KeyServer } from '../sources/jwks/key-server.ts';
import { bootstrapText } from '../support/bootstrap.ts';
import { authority } from '../support/certificate.ts';
import { type Envoy, envoyMissing, startEnvoy } from '../support/envoy.ts';
import { call } from '../support/http.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { loopbackNetwork } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { type Backend, startBackend } from './backend.ts';

const missing = await envoyMissing();
const HOST = 'shop.example.com';
const PORT = 8080;

describe('tokens of an issuer whose keys are fetched', { skip: missing }, () => {
  const at = loopbackNetwork();
  const gateway = { name: 'gateway', labels: { istio: 'ingressgateway' }, address: at(1) };
  let folder: string;
  let trust: string;
  let keys: KeyServer;
  let backend: Backend;
  let serve: Serve;
  let envoy: Envoy;

  /** An object of Istio's in the namespace of the gateway. */
  const object = (group: string, kind: string, spec: object): object => ({
    apiVersion: `${group}.istio.io/v1`,
    kind,
    metadata: { name: 'shop', namespace: 'default' },
    spec,
  });

  const trusting = (): readonly string[] => ['--jwks-allow', '127.0.0.0/8,::1', '--jwks-ca', trust];

  const start = (): Promise<Serve> => startServe(['--config', folder, ...trusting()]);

  /** Starts the gateway's Envoy. */
  async function attach(xds: string): Promise<void> {
    const admin = `${gateway.address}:15000`;
    const bootstrap = await bootstrapText(
      ...['--config', folder, '--type', 'router', gateway.name, '--xds-address', xds, '--admin-address', admin],
    );
    envoy = await startEnvoy({ bootstrap, admin });
  }

  const problemsOf = (http: string): Promise<string> =>
    fetch(`http://${http}/debug/problems`).then(answer => answer.text());

  const statusWith = async (token?: string): Promise<number> => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    // A connection each: one from before a change may serve another call by what was in force then.
    const agent = new Agent({ keepAlive: false });
    return (await call({ address: gateway.address, port: PORT, host: HOST, headers, agent })).status;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilotlight-jwks-'));
    const trusted = await authority();
    trust = join(folder, 'trust.pem');
    await writeFile(trust, trusted.certificate);
    keys = await KeyServer.start(await trusted.issue('DNS:localhost'));
    backend = await startBackend('v1', at(10), PORT);
    const pod = { name: 'shop', labels: { app: 'shop' }, address: backend.address };
    const issuer = `https://localhost:${keys.port}`;
    const server = { port: { number: PORT, name: 'http', protocol: 'HTTP' }, bind: gateway.address, hosts: [HOST] };
    const objects = [
      podObject(gateway),
      podObject(pod),
      serviceObject({ name: 'shop', clusterIP: '10.96.0.1', selector: { app: 'shop' }, port: PORT, targetPort: PORT }),
      sliceObject({ name: 'shop', targetPort: PORT }, [{ pod }]),
      object('networking', 'Gateway', { selector: gateway.labels, servers: [server] }),
      object('networking', 'VirtualService', {
        hosts: [HOST],
        gateways: ['shop'],
        http: [{ route: [{ destination: { host: 'shop' } }] }],
      }),
      object('security', 'RequestAuthentication', {
        selector: { matchLabels: gateway.labels },
        jwtRules: [{ issuer }],
      }),
    ];
    await writeFile(join(folder, 'mesh.yaml'), objects.map(o => stringify(o)).join('---\n'));
    serve = await start();
    await attach(serve.xds);
  });

  after(async () => {
    await envoy?.stop();
    await serve?.stop();
    backend?.close();
    keys?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('are refused until there are keys, with a Problem that says why, and taken then; those of others never are', async () => {
    const [good, bad] = await Promise.all([Issuer.make(), Issuer.make()]);
    const issuer = `https://localhost:${keys.port}`;
    const [token, forged] = await Promise.all([good.token({ issuer }), bad.token({ issuer })]);
    const page = async (path: string): Promise<string> => (await fetch(`http://${serve.http}${path}`)).text();
    await until('the gateway to answer', async () => (await statusWith()) === 200);
    assert.equal(await statusWith(token), 401);
    const configuration = `${issuer}/.well-known/openid-configuration`;
    const reason = new RegExp(`no keys from ${configuration}: .*status 404`);
    await until('the reason', async () => reason.test(await page('/debug/problems')));
    assert.match(await page('/metrics'), /pilot_jwks_resolver_network_fetch_fail_total [1-9]/);

    const jwk = await good.jwk;
    keys.answer = ({ url }, response) =>
      response.end(JSON.stringify(url === '/keys' ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/keys` }));
    await until('the token to be taken', async () => (await statusWith(token)) === 200);
    assert.equal(await statusWith(forged), 401);
    assert.equal(await statusWith(`${token.slice(0, -8)}AAAAAAAA`), 401);
    assert.equal(await statusWith(), 200);
    assert.ok(!(await page('/debug/problems')).includes('no keys'));
    assert.match(await page('/metrics'), /pilot_jwks_resolver_network_fetch_success_total 2\n/);
    assert.match(await envoy.admin('/stats?filter=update_rejected'), /^(?!.*: [1-9])/s);

    // Whoever comes back to a control plane that has just begun loses no keys.
    const next = await start();
    const problems = await fetch(`http://${next.http}/debug/problems`).then(answer => answer.text());
    await next.stop();
    assert.ok(!problems.includes('no keys'), problems);
  });

  test('a jwksUri at the metadata of a cloud is not asked, and a Problem says so', async () => {
    const uri = 'http://169.254.169.254/keys';
    const rules = [{ issuer: 'https://metadata.example', jwksUri: uri }];
    const policy = { ...object('security', 'RequestAuthentication', { jwtRules: rules }) };
    await writeFile(
      join(folder, 'metadata.yaml'),
      stringify({ ...policy, metadata: { name: 'metadata', namespace: 'default' } }),
    );
    const problems = await until('the Problem', async () => {
      const text = await problemsOf(serve.http);
      return text.includes(uri) && !text.includes('yet') ? text : undefined;
    });
    assert.match(problems, /"path": "spec.jwtRules\[0\].jwksUri"/);
    assert.match(problems, /no keys from http:\/\/169.254.169.254\/keys: .*169.254.169.254.*--jwks-allow/);
    await rm(join(folder, 'metadata.yaml'));
  });

  test('keys are replaced while requests run, and none is lost', async t => {
    await envoy.stop();
    /** What is to happen in ten minutes or later: the next look at the keys. */
    const later = new Set<() => void>();
    const clock: Clock = {
      ...systemClock,
      after(ms, run) {
        if (ms < 600_000) return systemClock.after(ms, run);
        later.add(run);
        return () => later.delete(run);
      },
    };
    const look = (): void => {
      for (const run of [...later]) if (later.delete(run)) run();
    };
    const log = pino({ level: 'silent' });
    const args = ['--config', folder, '--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0', ...trusting()];
    const sources = [directorySource({ folder, log })];
    const plane = await startControlPlane(serveSettings(readArguments(serveCommand, args)), { sources, log, clock });
    t.after(() => plane.stop());
    await plane.ready;
    await attach(plane.xds);

    const issuer = `https://localhost:${keys.port}`;
    const [old, next] = await Promise.all([Issuer.make(), Issuer.make()]);
    const [oldToken, nextToken] = await Promise.all([old.token({ issuer }), next.token({ issuer })]);
    const [oldKey, nextKey] = await Promise.all([old.jwk, next.jwk]);
    const publish = async (...published: readonly object[]): Promise<void> => {
      keys.answer = ({ url }, response) =>
        response.end(JSON.stringify(url === '/keys' ? { keys: published } : { issuer, jwks_uri: `${issuer}/keys` }));
      const before = keys.asked.length;
      await until('the keys to be asked for', () => {
        look();
        return keys.asked.length > before;
      });
    };
    await publish({ ...oldKey, kid: 'old' });
    await until('the first keys', async () => (await statusWith(oldToken)) === 200);

    let good = oldToken;
    let stopped = false;
    let byOld = 0;
    const came: number[] = [];
    const traffic = Array.from({ length: 4 }, async () => {
      while (!stopped) {
        const token = good;
        byOld += Number(token === oldToken);
        came.push(await statusWith(token));
        byOld -= Number(token === oldToken);
      }
    });
    t.after(() => {
      stopped = true;
    });
    await publish({ ...oldKey, kid: 'old' }, { ...nextKey, kid: 'next' });
    await until('the new key', async () => (await statusWith(nextToken)) === 200);
    good = nextToken;
    await until('the last requests with the old token', () => byOld === 0);
    await publish({ ...nextKey, kid: 'next' });
    await until('the end of the old key', async () => (await statusWith(oldToken)) === 401);
    keys.answer = (_, response) => void response.writeHead(500).end();
    look();
    await until('a word about the failure', async () => (await problemsOf(plane.http)).includes('the last ones stay'));
    stopped = true;
    await Promise.all(traffic);
    assert.equal(await statusWith(nextToken), 200);
    assert.ok(came.length > 20, `${came.length}`);
    assert.deepEqual([...new Set(came)], [200]);
  });
});
