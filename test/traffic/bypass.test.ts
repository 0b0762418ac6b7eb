import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { envoyMissing } from '../support/envoy.ts';
import { until } from '../support/until.ts';
import { type Asked, type Guard, GuardedMesh, PORT, policyFor, withHeader } from './guarded-mesh.ts';
import { encodedCases, MODES, type Mode, type PathCase, pathCases } from './paths.ts';

/** Patterns of paths, and which paths they are for by Istio's documentation. */
const patterns: readonly (readonly [pattern: string, fits: RegExp])[] = [
  ['*', /^/],
  ['/admin', /^\/admin$/],
  ['/admin*', /^\/admin.*$/],
  ['/admin/*', /^\/admin\/.*$/],
  ['*/admin', /^.*\/admin$/],
  ['*.json', /^.*\.json$/],
  ['/admin/{*}', /^\/admin\/[^/]+$/],
  ['/admin/{**}', /^\/admin\/.*$/],
  ['/{*}/admin', /^\/[^/]+\/admin$/],
];

/** A path that reached the application, and as what; `id` tells its rules from others. */
interface Arrived {
  readonly path: string;
  readonly target: string;
  readonly id: string;
}

/** A path as a policy sees it. */
const judged = (target: string): string => target.replace(/[?#].*$/s, '');

/** Whether a policy can name just this path. */
const canBeNamed = ({ target }: Arrived): boolean =>
  /^[\x21-\x7e]+$/.test(judged(target)) && !/[*{}]/.test(judged(target));

/** What a `generation` of policies refuses: when it does, they are in force. */
const generation = (name: string) => ({ when: [withHeader('x-generation', name)] });

const missing = await envoyMissing();

describe('nobody comes past the policies of a sidecar or of a gateway', { skip: missing, timeout: 3_600_000 }, () => {
  let mesh: GuardedMesh;

  before(async () => {
    mesh = await GuardedMesh.start();
  });
  after(() => mesh?.stop());

  const HOST = 'app.example.com';

  /** One path tells the modes apart. */
  const PROBE = '/p%5cx//./y';
  const probed: Readonly<Record<Mode, string>> = {
    NONE: PROBE,
    BASE: '/p%5cx//y',
    MERGE_SLASHES: '/p%5cx/y',
    DECODE_AND_MERGE_SLASHES: '/p/x/y',
  };

  /** Sets the mode, and waits until every proxy has it and a generation of policies. */
  async function inForce(mode: Mode, name: string): Promise<void> {
    await mesh.write('meshconfig.yaml', [{ pathNormalization: { normalization: mode } }]);
    for (const guard of mesh.guards)
      await until(`${mode} and ${name} at ${guard.name}`, async () => {
        const asked = [[], [`x-generation: ${name}`]].map(headers => ({ target: PROBE, host: HOST, headers }));
        const [open, closed] = await mesh.ask(guard, asked);
        return open?.request?.target === probed[mode] && closed?.status === 403;
      });
  }

  /** Each path at a proxy without policies. */
  async function learn(guard: Guard, cases: readonly PathCase[], mode: Mode): Promise<readonly Arrived[]> {
    const outcomes = await mesh.ask(
      guard,
      cases.map(({ path }) => ({ target: path, host: HOST })),
    );
    return cases.flatMap(({ path, arrives }, i) => {
      const { status, request } = outcomes[i] ?? {};
      const expected = arrives(mode);
      if (expected !== undefined) assert.equal(request?.target ?? status, expected, `${guard.name}: ${path}`);
      else assert.ok(request || status === 400, `${guard.name}: ${path} is answered ${status}`);
      return request ? [{ path, target: request.target, id: `${i}` }] : [];
    });
  }

  /** For each path that arrived: one rule that refuses just it, one that refuses all others, and one that allows just it. */
  function policies(guard: Guard, arrived: readonly Arrived[], name: string): readonly object[] {
    const rules = (ask: string, field: 'paths' | 'notPaths'): readonly object[] =>
      arrived.filter(canBeNamed).map(({ target, id }) => ({
        to: [{ operation: { [field]: [judged(target)] } }],
        when: [withHeader('x-case', id), withHeader('x-ask', ask)],
      }));
    const each = (ask: string): readonly object[] =>
      patterns.map(([pattern], i) => ({
        to: [{ operation: { paths: [pattern] } }],
        when: [withHeader('x-ask', `${ask}-${i}`)],
      }));
    const anythingElse = { when: [{ key: 'request.headers[x-ask]', notValues: ['allow', 'allow-*'] }] };
    const refused = [...rules('deny', 'paths'), ...rules('others', 'notPaths'), ...each('deny')];
    return [
      policyFor(guard, 'DENY', [generation(name), ...refused]),
      policyFor(guard, 'ALLOW', [anythingElse, ...rules('allow', 'paths'), ...each('allow')]),
    ];
  }

  /** What is wrong with what a proxy says of the paths that arrive there. */
  async function judge(guard: Guard, arrived: readonly Arrived[]): Promise<readonly string[]> {
    const wrong: string[] = [];
    const compare = async (
      ask: string,
      asked: readonly Arrived[],
      right: (path: string, status: number | undefined) => boolean,
    ): Promise<void> => {
      const outcomes = await mesh.ask(
        guard,
        asked.map(({ path, id }) => ({ target: path, host: HOST, headers: [`x-case: ${id}`, `x-ask: ${ask}`] })),
      );
      for (const [i, { path, target }] of asked.entries()) {
        const { status, request } = outcomes[i] ?? {};
        if (!right(judged(target), status) || (request && request.target !== target))
          wrong.push(`${guard.name}: ${path} arrives as ${target}; ${ask} gave ${status}`);
      }
    };
    const named = arrived.filter(canBeNamed);
    assert.ok(named.length > 0.9 * arrived.length, `${named.length} of ${arrived.length}`);
    await compare('deny', named, (_, status) => status === 403);
    await compare('others', named, (_, status) => status === 200);
    await compare('allow', named, (_, status) => status === 200);
    for (const [i, [pattern, fits]] of patterns.entries()) {
      await compare(`deny-${i}`, arrived, (path, status) => status === (fits.test(path) ? 403 : 200));
      // A template allows no characters but those of RFC 3986.
      const known = pattern.includes('{') ? /^[\w\-.~%!$&'()*+,;:@=/]*$/ : /^/;
      const allowed = (path: string): boolean => fits.test(path) && known.test(path);
      await compare(`allow-${i}`, arrived, (path, status) => status === (allowed(path) ? 200 : 403));
    }
    return wrong;
  }

  for (const mode of MODES)
    test(`${mode}: the path that the application gets is the one that policies judge`, async () => {
      const open = mesh.guards.map(guard => policyFor(guard, 'DENY', [generation(`learn-${mode}`)]));
      await mesh.write('policies.yaml', open);
      await inForce(mode, `learn-${mode}`);
      await learn(mesh.stock, encodedCases, mode);
      const arrived = await Promise.all(mesh.guards.map(guard => learn(guard, pathCases, mode)));

      const name = `judge-${mode}`;
      await mesh.write(
        'policies.yaml',
        mesh.guards.flatMap((guard, i) => policies(guard, arrived[i] ?? [], name)),
      );
      await inForce(mode, name);
      const wrong = await Promise.all(mesh.guards.map((guard, i) => judge(guard, arrived[i] ?? [])));
      assert.deepEqual(wrong.flat(), []);
    });

  test('bytes that are no text, which HTTP/2 lets through, fit every pattern that refuses', async () => {
    const { stock } = mesh;
    const session = connect(`http://${stock.address}:${PORT}`);
    const statusOf = (path: string, ask: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path, ':authority': HOST, 'x-ask': ask });
        stream.once('response', headers => resolve(Number(headers[':status']))).once('error', reject);
        stream.resume();
      });
    for (const path of ['/admin/\x80', '/admin/\xc3\xa9', '/admin/\xff\xfe'])
      for (const [i, [pattern, fits]] of patterns.entries()) {
        if (fits.test(path)) assert.equal(await statusOf(path, `deny-${i}`), 403, `${pattern}: ${escape(path)}`);
      }
    assert.equal(await statusOf('/admin/\x80', 'nothing'), 200);
    session.close();
  });

  test('a path in a header is no path', async () => {
    const admin = patterns.findIndex(([pattern]) => pattern === '/admin');
    const names = [
      'x-envoy-original-path',
      'x-original-path',
      'x-original-url',
      'x-rewrite-url',
      ':path',
      'x-forwarded-uri',
    ];
    for (const guard of mesh.guards) {
      const asked = (target: string, other: string): readonly Asked[] =>
        names.map(name => ({ target, host: HOST, headers: [`${name}: ${other}`, `x-ask: deny-${admin}`] }));
      for (const { status } of await mesh.ask(guard, asked('/admin', '/app')))
        assert.ok(status === 403 || status === 400, `${guard.name}: ${status}`);
      for (const { status, request } of await mesh.ask(guard, asked('/app', '/admin')))
        assert.ok(status === 400 || request?.target === '/app', `${guard.name}: ${status}`);
    }
  });

  test('hosts: whatever its letters, port and last dot, and wherever it stands', async () => {
    const name = 'admin.example.com';
    const refusing = [
      ['deny', { hosts: [name] }],
      ['deny-suffix', { hosts: ['*.example.com'] }],
      ['deny-prefix', { hosts: ['admin*'] }],
    ] as const;
    const when = (ask: string) => [withHeader('x-ask', ask)];
    await mesh.write(
      'policies.yaml',
      mesh.guards.flatMap(guard => [
        policyFor(guard, 'DENY', [
          generation('hosts'),
          ...refusing.map(([ask, operation]) => ({ to: [{ operation }], when: when(ask) })),
        ]),
        policyFor(guard, 'ALLOW', [
          { when: [{ key: 'request.headers[x-ask]', notValues: ['allow-*'] }] },
          { to: [{ operation: { notHosts: [name] } }], when: when('allow-others') },
          { to: [{ operation: { hosts: [name] } }], when: when('allow-it') },
        ]),
      ]),
    );
    await inForce('DECODE_AND_MERGE_SLASHES', 'hosts');
    const asked: readonly Asked[] = [
      ...[
        ...[name, name.toUpperCase(), 'aDmin.Example.com', `${name}:80`, `${name}:8080`, `${name}:1`, `${name}:`],
        ...[`${name}.`, `${name}.:80`, ` ${name}\t`, `x@${name}`, `${name},b.example`, `${name}/`, `${name}:80:80`],
        ...['admin%2eexample.com', 'www.example.com', 'example.com', 'b.example', '', `${name}\\`, `${name}#`],
      ].map(host => ({ target: '/', host })),
      ...[`http://${name}/`, `http://${name}:80/`, `HTTP://${name.toUpperCase()}/x`, `http://${name}.:81/`].map(
        target => ({ target, host: 'b.example' }),
      ),
      { target: '/' },
      { target: '/', host: 'b.example', headers: [`Host: ${name}`] },
      { target: '/', host: name, headers: ['Host: b.example'] },
      { target: '/', host: name, headers: ['X-Forwarded-Host: b.example'] },
      { target: '/', host: name, headers: ['X-Original-Host: b.example'] },
      { target: 'http://b.example/', host: name },
    ];
    const wrong: string[] = [];
    let reached = 0;
    for (const guard of mesh.guards) {
      const open = await mesh.ask(guard, asked);
      for (const ask of [...refusing.map(([ask]) => ask), 'allow-others', 'allow-it']) {
        const outcomes = await mesh.ask(
          guard,
          asked.map(a => ({ ...a, headers: [...(a.headers ?? []), `x-ask: ${ask}`] })),
        );
        for (const [i, { status, request }] of open.entries()) {
          const hosts = (request?.headers ?? []).filter(([name]) => name.toLowerCase() === 'host').map(([, v]) => v);
          const mentions = hosts.flatMap(host => host.toLowerCase().split(/[@,\s]+/));
          const fits = mentions.some(mention => {
            const own = mention.replace(/\.?(:\d*)?$/, '');
            if (ask === 'deny-suffix') return own.endsWith('.example.com');
            return ask === 'deny-prefix' ? own.startsWith('admin') : own === name;
          });
          const must = !request ? status : fits === (ask !== 'allow-it') ? 403 : 200;
          const got = outcomes[i]?.status;
          reached += Number(request !== undefined);
          // What allows is as narrow as it is written: another spelling is refused.
          if (got !== must && !(ask === 'allow-it' && got === 403 && hosts[0]?.toLowerCase() !== name))
            wrong.push(`${guard.name}: ${JSON.stringify(asked[i])} arrives as ${hosts}; ${ask} gave ${got}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(reached > 100, `${reached}`);
  });

  test('headers: each line counts, in whatever letters its name and with whatever spaces around', async () => {
    /** Conditions of a DENY, and which values they are met by: of several lines one will do. */
    const conditions: readonly (readonly [string, object, (values: readonly string[]) => boolean])[] = [
      ['exact', { values: ['guest'] }, values => values.includes('guest')],
      ['prefix', { values: ['gue*'] }, values => values.some(value => value.startsWith('gue'))],
      ['suffix', { values: ['*est'] }, values => values.some(value => value.endsWith('est'))],
      ['any', { values: ['*'] }, values => values.length > 0],
      ['unless', { notValues: ['admin'] }, values => !values.includes('admin')],
    ];
    const rules = conditions.map(([ask, values]) => ({
      when: [{ key: 'request.headers[X-Role]', ...values }, withHeader('x-ask', ask)],
    }));
    await mesh.write(
      'policies.yaml',
      mesh.guards.map(guard => policyFor(guard, 'DENY', [generation('headers'), ...rules])),
    );
    await inForce('DECODE_AND_MERGE_SLASHES', 'headers');
    const sent = [
      ...[
        [],
        ['x-role: guest'],
        ['X-ROLE:\tguest '],
        ['x-role: guest', 'x-role: admin'],
        ['x-role: admin', 'X-Role: guest'],
      ],
      ...[['x-role: admin'], ['x-role: '], ['x-role: Guest'], ['x-role: admin', 'x-role: admin'], ['x_role: guest']],
      ...[['x-role: admin, guest'], ['x-role: guest,admin']],
    ];
    for (const guard of mesh.guards)
      for (const lines of sent) {
        const values = lines.filter(line => /^x-role:/i.test(line)).map(line => line.slice('x-role:'.length).trim());
        const outcomes = await mesh.ask(
          guard,
          conditions.map(([ask]) => ({ target: '/', host: HOST, headers: [...lines, `x-ask: ${ask}`] })),
        );
        for (const [i, [ask, , isMet]] of conditions.entries()) {
          const { status, request } = outcomes[i] ?? {};
          assert.equal(status, isMet(values) ? 403 : 200, `${guard.name}: ${lines}; ${ask}`);
          const arrived = request?.headers
            .filter(([name]) => name.toLowerCase() === 'x-role')
            .map(([, value]) => value);
          if (arrived) assert.deepEqual(arrived, values);
        }
      }
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});
