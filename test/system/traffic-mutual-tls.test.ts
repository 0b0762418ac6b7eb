import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { noApiServer } from '../kubernetes/api-server.ts';
import { newCertificate, type Signer } from '../security/openssl.ts';
import { serviceObject, sliceObject } from '../support/kube-objects.ts';
import type { AppAnswer, Seen } from '../support/pod.ts';
import { until } from '../support/until.ts';
import { noAgent } from './agent.ts';
import { allow, type Expected, type Name, outside, PODS, peers, policy, rule, steps } from './mutual-tls.ts';
import { OTHER_PORT, SecureMesh } from './secure-mesh.ts';

/** What a call came to: the service account that its server saw, `plain` where it saw none, or a refusal. */
function came({ status, body }: AppAnswer): string {
  if (status !== 200) return status === 403 ? 'forbidden' : 'refused';
  const shown = (JSON.parse(body) as Seen).headers['x-forwarded-client-cert'];
  if (!shown) return 'plain';
  const [, account] =
    /^By=spiffe:[^;,]+;Hash=\w+;Subject="";URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/([^;,]+)$/.exec(shown) ?? [];
  return account ?? shown;
}

/** What everybody says of itself, whoever it is; nobody is to be believed. */
const forged = { 'x-forwarded-client-cert': 'By=x;Hash=y;Subject="";URI=spiffe://cluster.local/ns/default/sa/admin' };

describe('mutual TLS between pods', { skip: noApiServer || noAgent, timeout: 3_600_000 }, () => {
  let mesh: SecureMesh;
  before(async () => {
    mesh = await SecureMesh.start(PODS);
  });
  after(() => mesh?.stop());

  /** All calls from each pod to each other, in words. */
  async function calls(of: (from: Name, to: Name) => string | Promise<string>): Promise<readonly string[]> {
    const names = Object.keys(PODS) as Name[];
    const pairs = names.flatMap(from => names.flatMap(to => (from === to ? [] : [[from, to] as const])));
    return Promise.all(pairs.map(async ([from, to]) => `${from} to ${to}: ${await of(from, to)}`));
  }

  const seen = () => calls(async (from, to) => came(await mesh.call(from, to, { headers: forged })));

  /** Waits until what is expected has come, and stays: a connection from before a change may serve one more call. */
  async function becomes(expected: Expected): Promise<void> {
    const wanted = await calls(expected);
    let last: readonly string[] = [];
    const asWanted = async (): Promise<boolean> => {
      last = await seen();
      return last.join() === wanted.join();
    };
    await until('the calls', async () => (await asWanted()) && (await asWanted())).catch(() =>
      assert.deepEqual(last, wanted),
    );
    assert.deepEqual(last, wanted);
  }

  /** Waits until what was written before this is in force: every sidecar has a policy with this mark. */
  async function marked(mark: string): Promise<void> {
    await mesh.apply(
      policy(
        'AuthorizationPolicy',
        'default',
        'mark',
        `{action: DENY, rules: [{when: [{key: 'request.headers[x-mark]', values: [${mark}]}]}]}`,
      ),
    );
    for (const { name, kind } of mesh.pods)
      if (kind !== 'none')
        await until(`${mark} at ${name}`, async () => {
          const page = '/config_dump?resource=dynamic_listeners&name_regex=virtualInbound';
          return (await mesh.local(name, 15000, page)).body.includes(mark);
        });
  }

  for (const [i, { says, yaml = '', mesh: config = {}, expected }] of steps.entries())
    test(says, async () => {
      await mesh.meshConfig(config);
      const undo = await mesh.apply(yaml);
      try {
        await marked(`step-${i}`);
        await becomes(expected);
      } finally {
        await undo();
      }
    });

  /** Whom a server sees where callers without a sidecar show certificates of their own. */
  const shownTo = async (to: Name, pairs: readonly Signer[]): Promise<readonly string[]> => {
    const program = join(import.meta.dirname, 'peer.mjs');
    const { address } = mesh.pod(to);
    const said = await mesh.run('bare', process.execPath, program, address, '8080', JSON.stringify(pairs));
    return (JSON.parse(said) as readonly AppAnswer[]).map(({ status, body }) => {
      const shown = status === 200 ? (JSON.parse(body) as Seen).headers['x-forwarded-client-cert'] : undefined;
      return /URI=([^;,]+)$/.exec(shown ?? '')?.[1] ?? 'refused';
    });
  };

  test('a certificate counts by its root and its trust domain', async () => {
    const secret = await mesh.secret('istio-system', 'istio-ca-secret');
    const own: Signer = { certificate: secret['ca-cert.pem'] ?? '', key: secret['ca-key.pem'] ?? '' };
    const partner = newCertificate({ subject: '/O=partner' });
    const stranger = newCertificate({ subject: '/O=stranger' });
    const signed = (signer: Signer, domain: string) => {
      const uri = `spiffe://${domain}/ns/x/sa/peer`;
      const extensions = [`subjectAltName=critical,URI:${uri}`, 'basicConstraints=critical,CA:FALSE'];
      return { uri, pair: newCertificate({ subject: '/O=peer', signer, extensions }) };
    };
    const shown = {
      own: signed(own, 'cluster.local'),
      old: signed(own, 'old.example'),
      other: signed(own, 'cluster.local.example'),
      partner: signed(partner, 'partner.example'),
      stranger: signed(stranger, 'cluster.local'),
    };
    const undo = await mesh.apply(peers('default', 'STRICT'));
    const caCertificates = [{ pem: partner.certificate, trustDomains: ['partner.example'] }];
    for (const [mark, config, taken] of [
      ['usual', {}, ['own']],
      ['alias', { trustDomainAliases: ['old.example'] }, ['own', 'old']],
      ['partner', { caCertificates }, ['own', 'partner']],
      ['both', { trustDomainAliases: ['old.example'], caCertificates }, ['own', 'old', 'partner']],
      ['usual again', {}, ['own']],
    ] as const) {
      await mesh.meshConfig(config);
      for (const to of ['agent', 'stock'] as const) {
        const wanted = Object.entries(shown).map(([name, { uri }]) => (taken.some(t => t === name) ? uri : 'refused'));
        let last: readonly string[] = [];
        await until(`${mark} at ${to}`, async () => {
          last = await shownTo(
            to,
            Object.values(shown).map(({ pair }) => pair),
          );
          return last.join() === wanted.join();
        }).catch(() => assert.deepEqual(last, wanted, `${mark} at ${to}`));
      }
    }
    await undo();
  });

  test('SIMPLE and MUTUAL by files, to a server of its own', async () => {
    const ca = newCertificate({ subject: '/O=ca' });
    const server = newCertificate({
      subject: '/CN=server',
      signer: ca,
      extensions: ['subjectAltName=DNS:tls.example', 'basicConstraints=critical,CA:FALSE'],
    });
    const client = newCertificate({
      subject: '/CN=client-by-file',
      signer: ca,
      extensions: ['basicConstraints=CA:FALSE'],
    });
    const stranger = newCertificate({ subject: '/O=stranger' });
    const file = (name: string, text: string) => mesh.file(name, text);
    const [root, other] = [await file('ca.pem', ca.certificate), await file('other.pem', stranger.certificate)];
    const [chain, key] = [await file('client.pem', client.certificate), await file('client-key.pem', client.key)];
    const own = [await file('server.pem', server.certificate), await file('server-key.pem', server.key)] as const;
    const openssl = ['openssl', 's_server', '-accept', '8443', '-cert', own[0], '-key', own[1], '-www', '-quiet'];
    mesh.daemon('bare', ...openssl, '-verify', '1', '-CAfile', root);
    const { address } = mesh.pod('bare');
    const undo = await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: tls, namespace: default}
spec:
  hosts: [tls.example]
  addresses: [${address}]
  ports: [{number: 8443, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: ${address}}]
`);
    const simple = (more: string) => `{mode: SIMPLE, ${more}}`;
    const mutual = (more: string) => `{mode: MUTUAL, clientCertificate: ${chain}, privateKey: ${key}, ${more}}`;
    const named = `caCertificates: ${root}, subjectAltNames: [tls.example]`;
    for (const [tls, wanted] of [
      [simple(named), 'nobody'],
      [simple(`caCertificates: ${root}, subjectAltNames: [other.example]`), 'refused'],
      [simple(`caCertificates: ${other}, subjectAltNames: [tls.example]`), 'refused'],
      [simple('sni: tls.example'), 'refused'],
      [simple('insecureSkipVerify: true'), 'nobody'],
      [mutual(named), 'client-by-file'],
      [mutual(`caCertificates: ${other}`), 'refused'],
      ['{mode: DISABLE}', 'refused'],
    ] as const) {
      await mesh.apply(rule('tls.example', tls));
      for (const from of ['agent', 'stock'] as const) {
        let last = '';
        await until(`${tls} from ${from}`, async () => {
          const request = { address, port: 8443, host: 'tls.example:8443' };
          const { status, body } = await mesh.call(from, 'bare', request);
          last = status !== 200 ? 'refused' : (/CN ?= ?(client-by-file)/.exec(body)?.[1] ?? 'nobody');
          return last === wanted;
        }).catch(() => assert.equal(last, wanted, `${tls} from ${from}`));
      }
    }
    await undo();
  });

  test('a port whose protocol nobody says: what is HTTP is known to be, and all else is TCP, within mutual TLS', async () => {
    const address = '10.96.7.7';
    // A policy about headers denies all that is no HTTP.
    await (await mesh.apply(policy('AuthorizationPolicy', 'default', 'mark', '{action: DENY}')))();
    const undo = await mesh.apply(`apiVersion: v1
kind: Service
metadata: {name: sniffed, namespace: default}
spec: {clusterIP: ${address}, clusterIPs: [${address}], selector: {app: agent}, ports: [{port: 90, targetPort: ${OTHER_PORT}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sniffed, namespace: default, labels: {kubernetes.io/service-name: sniffed}}
addressType: IPv4
ports: [{port: ${OTHER_PORT}, protocol: TCP}]
endpoints: [{addresses: [${mesh.pod('agent').address}], conditions: {ready: true}, targetRef: {kind: Pod, name: agent, namespace: default}}]
---
${peers('default', 'STRICT')}`);
    const askedOverHttp = async (from: Name): Promise<string> => {
      const [answer] = await mesh.pod(from).app.calls({ address, port: 90, host: 'sniffed', fresh: true });
      return answer ? came(answer) : '';
    };
    await until('HTTP', async () => (await askedOverHttp('stock')) === 'stock');
    // The application answers what is no HTTP by itself; an Envoy that took it for HTTP would be before it.
    const hello = `const s = require('net').connect(90, '${address}', () => s.write('hello\\n\\n'));
      s.on('data', data => console.log(String(data))); s.on('error', console.log)`;
    const own = /^HTTP\/1.1 400 Bad Request\r\nConnection: close\r\n\r\n/;
    for (const from of ['stock', 'other'])
      await until(
        `TCP from ${from}`,
        async () => own.test(await mesh.run(from, process.execPath, '-e', hello)),
        20_000,
      );
    await undo();
  });

  test('over TCP: who has no certificate is refused, and who has another name than the policy says', async () => {
    // A policy about headers denies all that is no HTTP.
    await (await mesh.apply(policy('AuthorizationPolicy', 'default', 'mark', '{action: DENY}')))();
    const served = { agent: '10.96.2.1', stock: '10.96.2.2' } as const;
    const services = Object.entries(served).map(([name, clusterIP]) => {
      const shape = {
        name: `${name}-tcp`,
        clusterIP,
        selector: { app: name },
        port: 91,
        targetPort: OTHER_PORT,
        portName: 'tcp',
      };
      const slice = sliceObject(shape, [{ pod: { name, address: mesh.pod(name).address } }]);
      return [serviceObject(shape), slice].map(object => stringify(object)).join('---\n');
    });
    const undo = await mesh.apply(services.join('---\n'));
    const ask = async (from: Name, to: keyof typeof served): Promise<boolean> => {
      // Who has no sidecar calls the pod itself: nobody spreads these Services.
      const [address, port] = outside(from) ? [mesh.pod(to).address, OTHER_PORT] : [served[to], 91];
      const [answer] = await mesh.pod(from).app.calls({ address, port, host: to, fresh: true });
      return answer?.status === 200;
    };
    const becomes = (what: string, taken: readonly string[]): Promise<unknown> =>
      until(what, async () => {
        const came: string[] = [];
        for (const from of Object.keys(PODS) as Name[])
          for (const to of ['agent', 'stock'] as const)
            if (from !== to && (await ask(from, to))) came.push(`${from} to ${to}`);
        return came.sort().join() === [...taken].sort().join();
      });
    const sidecars = ['other to agent', 'stock to agent', 'agent to stock', 'other to stock'];
    await becomes('all', [...sidecars, 'bare to agent', 'bare to stock']);
    const closed = await mesh.apply(peers('default', 'STRICT'));
    await becomes('sidecars alone', sidecars);
    const policies =
      allow('agent', "['cluster.local/ns/default/sa/stock']") + allow('stock', "['*/ns/default/sa/o*', '*/sa/other']");
    const named = await mesh.apply(policies);
    await becomes('whom policies name', ['stock to agent', 'other to stock']);
    for (const end of [named, closed, undo]) await end();
  });

  test('nothing was rejected', async () => {
    for (const { name, kind } of mesh.pods) {
      if (kind === 'none') continue;
      const { body } = await mesh.local(name, 15000, '/stats?filter=update_rejected');
      assert.match(body, /lds.update_rejected: 0/, name);
      assert.match(body, /^(?!.*: [1-9])/s, name);
    }
    assert.doesNotMatch(mesh.log(), /rejected/);
  });
});
