import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { ApiError } from '../../src/kubernetes/api-error.ts';
import { type Candidacy, LeaderElection, type LeaderTiming } from '../../src/kubernetes/leader.ts';
import { CONFIG_MAPS, type KubeObject, LEASES, type Resource } from '../../src/kubernetes/object.ts';
import { type Permit, PermitError, untilAborted, Writer } from '../../src/kubernetes/writer.ts';
import { ApiServer, noApiServer } from '../kubernetes/api-server.ts';
import { memoryLog } from '../kubernetes/log.ts';
import { TcpProxy } from '../kubernetes/tcp-proxy.ts';
import { until } from '../kubernetes/until.ts';

const SERVICES: Resource = { apiVersion: 'v1', plural: 'services' };
const timing = { leaseMs: 3_000, renewMs: 2_000, retryMs: 200 };
/** Of who is not to lose its Lease because the machine is slow. */
const long = { ...timing, leaseMs: 300_000, renewMs: 200_000 };

const named = (name: string) => ({ namespace: 'default', name });
const configMap = (name: string, data: Readonly<Record<string, string>>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: named(name),
  data,
});

let api: ApiServer;
let admin: Writer;
const stop = new AbortController();

/** A client behind a network that can be cut. */
async function behindProxy(): Promise<{ readonly proxy: TcpProxy; readonly client: ApiClient }> {
  const proxy = await TcpProxy.start(api.port);
  after(() => proxy.close());
  const kubeconfig = await api.kubeconfig({ token: 'admintoken' }, proxy.port);
  return { proxy, client: await ApiClient.create({ kubeconfig }) };
}

const writerOf = (client: Pick<ApiClient, 'json' | 'renew'>, permit: Permit, fieldManager = 'pilotlight') =>
  new Writer({ client, fieldManager, permit, retryMs: [50, 500, 180_000] });

describe('with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  before(async () => {
    api = await ApiServer.start();
    admin = writerOf(await api.client(), untilAborted(stop.signal), 'admin');
  });
  after(() => {
    stop.abort();
    return api?.close();
  });

  test('what is applied is there, belongs to the field manager, and leaves fields of others alone', async () => {
    const ours = writerOf(await api.client(), untilAborted(stop.signal));
    await admin.apply(CONFIG_MAPS, configMap('applied', { theirs: '1', shared: 'theirs' }));
    await ours.apply(CONFIG_MAPS, configMap('applied', { ours: '1', shared: 'ours' }));
    const after = await ours.apply(CONFIG_MAPS, configMap('applied', { shared: 'ours' }));
    assert.deepEqual(after['data'], { theirs: '1', shared: 'ours' });
    const managers = after.metadata['managedFields'] as readonly { manager: string; operation: string }[];
    assert.deepEqual(
      managers.map(({ manager, operation }) => `${manager} ${operation}`),
      ['admin Apply', 'pilotlight Apply'],
    );
  });

  test('status is applied beside the object', async () => {
    const spec = { ports: [{ port: 80 }], type: 'LoadBalancer' };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: named('status') };
    await admin.create(SERVICES, { ...service, spec });
    const status = { loadBalancer: { ingress: [{ ip: '10.0.0.1', ipMode: 'VIP' }] } };
    const after = await admin.apply(SERVICES, { ...service, status }, 'status');
    assert.deepEqual(after['status'], status);
    assert.equal((after['spec'] as typeof spec).type, 'LoadBalancer');
  });

  test('create, patch and delete; what is there already, is absent, or is another by now', async () => {
    const made = (await admin.create(CONFIG_MAPS, configMap('made', { a: '1', b: '2' }))) ?? assert.fail('it is there');
    assert.equal(await admin.create(CONFIG_MAPS, configMap('made', {})), undefined);
    const patched = await admin.patch(CONFIG_MAPS, named('made'), { data: { a: null, c: '3' } });
    assert.deepEqual(patched['data'], { b: '2', c: '3' });
    await assert.rejects(admin.patch(CONFIG_MAPS, named('none'), {}), { code: 404 });
    await assert.rejects(admin.delete(CONFIG_MAPS, named('made'), 'another'), { code: 409 });
    assert.equal(await admin.delete(CONFIG_MAPS, named('made'), made.metadata.uid), true);
    assert.equal(await admin.delete(CONFIG_MAPS, named('made')), false);
    assert.equal(await admin.get(CONFIG_MAPS, named('made')), undefined);
    assert.equal(await admin.update(CONFIG_MAPS, named('made'), () => assert.fail('there is none')), undefined);
  });

  test('many who change one object at once lose nothing of each other', async () => {
    await admin.create(CONFIG_MAPS, configMap('counted', { count: '0' }));
    const writers = await Promise.all(
      Array.from({ length: 4 }, async () => writerOf(await api.client(), untilAborted(stop.signal))),
    );
    let asked = 0;
    const add = (object: KubeObject): KubeObject => {
      asked++;
      const { count } = object['data'] as { count: string };
      return { ...object, data: { count: `${Number(count) + 1}` } };
    };
    const each = async (writer: Writer) => {
      for (let i = 0; i < 5; i++) await writer.update(CONFIG_MAPS, named('counted'), add);
    };
    await Promise.all(writers.map(each));
    assert.deepEqual((await admin.get(CONFIG_MAPS, named('counted')))?.['data'], { count: '20' });
    assert.ok(asked > 20, 'there were conflicts');
  });

  test('a write waits for an API server that is away, and gives up in the end', async () => {
    const { proxy, client } = await behindProxy();
    proxy.cut();
    const writing = writerOf(client, untilAborted(stop.signal)).apply(CONFIG_MAPS, configMap('late', { a: '1' }));
    const { accepted } = proxy;
    await until(() => proxy.accepted > accepted + 2);
    proxy.mend();
    assert.deepEqual((await writing)['data'], { a: '1' });
    proxy.cut();
    const [permit, retryMs] = [untilAborted(stop.signal), [10, 50, 300] as const];
    const impatient = new Writer({ client, fieldManager: 'pilotlight', permit, retryMs });
    await assert.rejects(impatient.apply(CONFIG_MAPS, configMap('never', {})), { code: 'ECONNRESET' });
  });

  test('what the API server refuses is not tried again', async () => {
    const client = await api.client();
    let asked = 0;
    const counted: typeof client.json = (path, request) => {
      asked++;
      return client.json(path, request);
    };
    const counting = { json: counted, renew: () => client.renew() };
    const writer = writerOf(counting, untilAborted(stop.signal));
    const bad = { ...configMap('bad', {}), data: { 'a/b': '' } };
    await assert.rejects(writer.apply(CONFIG_MAPS, bad), { code: 422 });
    assert.equal(asked, 1);
  });

  test('two candidates, one leader; the leader ends, the other takes over at once', async () => {
    const [one, two] = [await candidate('handed-over', long), await candidate('handed-over', long)];
    one.start();
    await until(() => one.leads);
    two.start();
    const looked = two.looked();
    await until(() => two.looked() > looked + 3);
    assert.ok(one.leads && !two.leads);
    await one.write('one');
    await one.end();
    assert.ok(!one.leads);
    await until(() => two.leads);
    await two.write('two');
    await assert.rejects(one.write('one again'), PermitError);
    assert.deepEqual((await admin.get(CONFIG_MAPS, named('handed-over')))?.['data'], { by: 'two' });
    const lease = (await admin.get(LEASES, named('handed-over')))?.['spec'] as Record<string, unknown>;
    assert.deepEqual([lease['holderIdentity'], lease['leaseTransitions']], [two.identity, 1]);
    await two.end();
  });

  test('a leader that cannot reach the API server stops writing before another begins', async () => {
    const [one, two] = [await candidate('cut-off'), await candidate('cut-off', long)];
    one.start();
    await until(() => one.leads);
    two.start();
    one.proxy.cut();
    await until(() => two.leads);
    assert.equal(two.rivals, 0, 'the first has ended before the second begins');
    assert.ok(!one.leads);
    await assert.rejects(one.write('one'), PermitError);
    await two.write('two');
    one.proxy.mend();
    const looked = one.looked();
    await until(() => one.looked() > looked + 3);
    assert.ok(!one.leads && two.leads);
    await two.end();
    await until(() => one.leads);
    await one.end();
  });

  test('a leader whose event loop stood still may not write, though no timer has told it so', async () => {
    const one = await candidate('stood-still');
    one.start();
    await until(() => one.leads);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timing.renewMs + 100);
    assert.equal(one.term?.signal.aborted, false);
    await assert.rejects(one.write('one'), PermitError);
    await one.end();
  });

  test('a leader whose Lease is taken from it ends its term, and a write that is on its way is broken off', async () => {
    const one = await candidate('taken');
    one.start();
    await until(() => one.leads);
    one.proxy.silence();
    const writing = assert.rejects(one.write('one'), PermitError);
    await admin.patch(LEASES, named('taken'), { spec: { holderIdentity: 'somebody', leaseDurationSeconds: 3600 } });
    await until(() => !one.leads);
    await writing;
    await one.end();
    const lease = (await admin.get(LEASES, named('taken')))?.['spec'] as Record<string, unknown>;
    assert.equal(lease['holderIdentity'], 'somebody', 'what is not its own is not given back');
  });

  test('a Lease that others write to or delete stays with its leader', async () => {
    const one = await candidate('touched', long);
    one.start();
    await until(() => one.leads);
    const { term } = one;
    await admin.patch(LEASES, named('touched'), { metadata: { labels: { a: 'b' } } });
    const renewed = async () =>
      ((await admin.get(LEASES, named('touched')))?.['spec'] as { renewTime: string } | undefined)?.renewTime;
    const first = await renewed();
    await until(async () => (await renewed()) !== first);
    await admin.delete(LEASES, named('touched'));
    await until(async () => (await renewed()) !== undefined);
    assert.equal(one.term, term);
    assert.ok(one.leads);
    await one.end();
  });

  test('a leader whose work fails hands over', async () => {
    const [one, two] = [await candidate('failing'), await candidate('failing')];
    one.start(new Error('no work today'));
    await until(() => one.lines.some(line => line.msg === "a leader's work failed"));
    two.start();
    await until(() => two.leads);
    await one.end();
    await two.end();
  });

  test('an API error says why', async () => {
    const nobody = await ApiClient.create({ kubeconfig: await api.kubeconfig({ token: 'meshtoken' }) });
    const { log, lines } = memoryLog();
    const election = new LeaderElection({
      client: nobody,
      log,
      namespace: 'default',
      name: 'x',
      identity: 'n',
      timing,
    });
    const ending = new AbortController();
    const running = election.run(ending.signal, async () => assert.fail('it may not'));
    await until(() => lines.some(line => /403 Forbidden/.test(String(line.err))));
    ending.abort();
    await running;
    await assert.rejects(writerOf(nobody, untilAborted(stop.signal)).create(CONFIG_MAPS, configMap('x', {})), ApiError);
  });
});

let candidates = 0;
/** By their Leases. */
const competing = new Map<string, { readonly leads: boolean }[]>();

/** Somebody who competes for a Lease and writes a ConfigMap of the same name. */
async function candidate(lease: string, times: LeaderTiming = timing) {
  const { proxy, client } = await behindProxy();
  const { log, lines } = memoryLog();
  const identity = `candidate-${++candidates}`;
  let reads = 0;
  const counted: Pick<ApiClient, 'json' | 'renew'> = {
    json: (path, request) => client.json(path, request).finally(() => reads++),
    renew: () => client.renew(),
  };
  const candidacy: Candidacy = { client: counted, log, namespace: 'default', name: lease, identity, timing: times };
  const ending = new AbortController();
  after(() => ending.abort());
  let running = Promise.resolve();
  let writer: Writer | undefined;
  const self = {
    identity,
    proxy,
    lines,
    term: undefined as Permit | undefined,
    get leads() {
      return self.term?.held() ?? false;
    },
    /** How many led when it began to. */
    rivals: 0,
    /** How often it has asked the API server. */
    looked() {
      return reads;
    },
    start(failure?: Error) {
      running = new LeaderElection(candidacy).run(ending.signal, async term => {
        if (failure) throw failure;
        self.rivals = competing.get(lease)?.filter(({ leads }) => leads).length ?? 0;
        self.term = term;
        writer = writerOf(client, term);
        await new Promise(resolve => term.signal.addEventListener('abort', resolve));
      });
    },
    write: async (by: string) => writer?.apply(CONFIG_MAPS, configMap(lease, { by })),
    async end() {
      ending.abort();
      await running;
    },
  };
  competing.set(lease, [...(competing.get(lease) ?? []), self]);
  return self;
}
