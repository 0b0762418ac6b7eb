import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type FormatPlace, formatFault, HEADER_PLACE } from '../../src/proto/format.ts';
import { commandTable } from '../../src/proto/format-commands.ts';
import { ENVOY_VERSION, envoyMissing, OLDEST_ENVOY_VERSION, startEnvoy } from '../support/envoy.ts';

type Place = 'log' | 'header';

const places: Readonly<Record<Place, FormatPlace | undefined>> = { log: undefined, header: HEADER_PLACE };

const any = (name: string, fields: object = {}): object => ({ '@type': `type.googleapis.com/${name}`, ...fields });

const logged = (format: string): object => ({
  access_log: [
    {
      name: 'envoy.access_loggers.file',
      typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '/dev/null',
        log_format: { text_format_source: { inline_string: format } },
      }),
    },
  ],
  filter_chains: [
    {
      filters: [
        { name: 'envoy.filters.network.echo', typed_config: any('envoy.extensions.filters.network.echo.v3.Echo') },
      ],
    },
  ],
});

const headed = (value: string): object => ({
  filter_chains: [
    {
      filters: [
        {
          name: 'http',
          typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
            stat_prefix: 'http',
            route_config: {
              virtual_hosts: [
                {
                  name: 'all',
                  domains: ['*'],
                  request_headers_to_add: [{ header: { key: 'x', value } }],
                  routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
                },
              ],
            },
            http_filters: [
              {
                name: 'envoy.filters.http.router',
                typed_config: any('envoy.extensions.filters.http.router.v3.Router'),
              },
            ],
          }),
        },
      ],
    },
  ],
});

interface Shown {
  readonly format: string;
  readonly place: Place;
}

const listener = ({ format, place }: Shown, i: number): object => ({
  ...any('envoy.config.listener.v3.Listener'),
  name: `format-${i}`,
  address: { socket_address: { address: '127.0.0.1', port_value: i + 1 } },
  bind_to_port: false,
  ...(place === 'log' ? logged(format) : headed(format)),
});

/** The indexes of the formats that an Envoy refuses: each is in a listener of its own, and one that all refuse is the last. */
async function refused(version: string, shown: readonly Shown[]): Promise<ReadonlySet<number>> {
  const folder = await mkdtemp(join(tmpdir(), 'formats-'));
  const file = join(folder, 'listeners.json');
  const all = [...shown, { format: '%', place: 'log' as const }];
  await writeFile(file, JSON.stringify({ resources: all.map(listener) }));
  const envoy = await startEnvoy({
    bootstrap: JSON.stringify({
      node: { id: 'formats', cluster: 'formats' },
      dynamic_resources: { lds_config: { path_config_source: { path: file } } },
    }),
    admin: '',
    version,
  });
  try {
    while (!envoy.log().includes(`\nformat-${all.length - 1}: `)) {
      assert.equal(
        envoy.process.exitCode ?? envoy.process.signalCode,
        null,
        `Envoy ended: ${envoy.log().slice(-2000)}`,
      );
      await wait(20);
    }
    return new Set([...envoy.log().matchAll(/(?:^|\n|\(s\) )format-(\d+): /g)].map(([, index]) => Number(index)));
  } finally {
    await envoy.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What may follow a command's name, right and wrong; what only CEL or JSON means is not among it. */
const tails = [
  ...[
    '',
    '()',
    '(x)',
    '(x):5',
    '(x?y)',
    '(x?y?z)',
    '(?y)',
    '(a:b)',
    '(a:b:c)',
    '(a:b:ms)',
    '(a:b:s)',
    '(:a)',
    '(x y)',
    ':5',
    ':0',
  ],
  ...[
    '(CLUSTER:a:b)',
    '(LISTENER_FILTER_CHAIN:a)',
    '(CLUSTER):5',
    '(x:PLAIN)',
    '(x:FIELD:y)',
    '(x:FIELD)',
    '(x:PLAIN:y)',
  ],
  ...[
    '(NQ:ORIG)',
    '(NQ:x)',
    '(NQ):5',
    '(ORIG)',
    '(ORIG):5',
    '(SNI_FIRST:HOST)',
    '(SNI_FIRST:x)',
    '(NUMBER)',
    '(%Y)',
    '(a)b)',
  ],
  ...['(["a","b"])', '(a%b)', ':x', '(x', '(x):', '(x)y'],
];

const ofCommands = commandTable.flatMap(({ takes, names }) =>
  names.split(/\s+/).flatMap((name, i) => {
    if (takes === 'coalesce' || takes === 'cel') return [];
    // One command of a kind is shown with everything; the others that they are known, and what they need.
    return (i === 0 ? tails : ['', '(x)', '(a:b)', '(CLUSTER)']).map(tail => `%${name}${tail}%`);
  }),
);

const others = [
  ...[
    '',
    'text',
    '%%',
    '%',
    'a%',
    '100%',
    '50%%',
    '%%%',
    '%%%%',
    '%%%DURATION%',
    '%DURATION%%DURATION%',
    '%DURATION%c%%',
  ],
  ...['%NOPE%', '%duration%', '%DURATION %', '% DURATION%', '%DURATION', '%A', '%1%', '%_%', '%-%', '%REQ(a)%REQ(b)%'],
  ...['%PER_REQUEST_STATE(key)%', '%UPSTREAM_METADATA([])%', '%START_TIME(%H:%M)% %REQ(a)%', '%REQ_WITHOUT_QUERY(a)%'],
  ...[
    '%REQ(x):99999999999999999999%',
    '%REQ(x):4294967296%',
    '%REQ(x):-1%',
    '%REQ(a,b)%',
    '%REQ(é)%',
    '%ENVIRONMENT(é)%',
  ],
  ...['%CEL(request.path)%', '%CEL(1+1):5%', '%CEL()%', '%CEL%'],
  ...['{}', '{"operators":[]}', '{"operators":["PROTOCOL"]}', '{"operators":["NOPE"]}', '{"operators":["REQ"]}'].map(
    json => `%COALESCE(${json})%`,
  ),
  ...['{"command":"REQ","param":"x","max_length":5}', '{"command":"REQ","param":5}', '{}', '5'].map(
    operator => `%COALESCE({"operators":[${operator}]}):5%`,
  ),
];

for (const version of [ENVOY_VERSION, OLDEST_ENVOY_VERSION])
  describe(`Envoy ${version} takes the formats that we take`, {
    skip: await envoyMissing(version),
    timeout: 3_600_000,
  }, () => {
    const minor = Number(version.split('.')[1]);
    for (const place of ['log', 'header'] as const)
      test(place === 'log' ? 'in access logs' : 'in headers', async () => {
        const formats = [...new Set([...ofCommands, ...others])];
        const found = await refused(
          version,
          formats.map(format => ({ format, place })),
        );
        const differ = formats.filter((format, i) => {
          const fault = formatFault(format, places[place]);
          const ours = fault !== undefined && (fault.since === undefined || minor < fault.since);
          return ours !== found.has(i);
        });
        assert.deepEqual(differ, []);
        assert.ok(found.size > 100 && found.size < formats.length - 100);
      });
  });
