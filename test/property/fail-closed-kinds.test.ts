import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Kind } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/object-key.ts';
import { unpackAs } from '../../src/proto/any.ts';
import { jwtFilters } from '../../src/translate/filters/jwt.ts';
import { World } from '../../src/world.ts';
import { simulate } from '../simulation/simulate.ts';
import { type Messages, messagesOf } from '../support/translation.ts';
import { baseObjects, proxies } from './base-mesh.ts';
import { objectOf } from './objects.ts';
import { type Json, type Spoiled, spoilings } from './spoiling.ts';

/** What an object lets happen, in words. */
type Permissions = (store: ConfigStore) => readonly string[];

function sentTo(store: ConfigStore, name: string): Messages {
  const world = new World(store.contents(), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
  const proxy = proxies[name];
  assert.ok(proxy);
  return messagesOf(world.of(proxy).translation);
}

/** Ports of a server that take plaintext. */
const plaintext: Permissions = store => {
  const messages = sentTo(store, 'server with agent');
  return [8080, 9000, 7000].flatMap(port => {
    const { failure } = simulate(messages, { direction: 'inbound', address: '10.1.0.10', port, host: 'web' });
    return failure ? [] : [`${port}`];
  });
};

const places = [
  ['192.0.2.9', 'elsewhere.example.org'],
  ['10.96.0.10', 'web'],
  ['10.96.0.12', 'edge'],
  ['240.240.0.1', 'outside.example.com'],
] as const;

/** Where a client's calls go, and which names a server must have for them. */
const outgoing: Permissions = store => {
  const messages = sentTo(store, 'client with agent');
  return places.flatMap(([address, host]) => {
    const outcome = simulate(messages, { direction: 'outbound', address, host, port: 80 });
    const cluster = outcome.choices?.[0]?.cluster;
    if (!cluster || cluster === 'BlackHoleCluster' || outcome.subjectAltNames?.includes('nobody.invalid')) return [];
    return [`${host} to ${cluster} by ${outcome.transport ?? 'plaintext'} of ${outcome.subjectAltNames ?? 'any'}`];
  });
};

/** Whose tokens are valid, wherever they are found. */
const validTokens: Permissions = store => {
  const [filter] = jwtFilters([...store.contents().RequestAuthentication.values()], false);
  if (!filter?.typed_config) return [];
  const { providers = {} } = unpackAs(
    'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
    filter.typed_config,
  );
  return Object.values(providers).flatMap(({ issuer, audiences = [], local_jwks }) =>
    local_jwks?.inline_string === KEYS ? (audiences.length ? audiences : ['any']).map(a => `${issuer} for ${a}`) : [],
  );
};

/** The servers that a gateway opens, and what each asks of clients. */
const servers: Permissions = store =>
  sentTo(store, 'gateway').listeners.flatMap(listener =>
    (listener.filter_chains ?? []).map(({ filter_chain_match: match, transport_socket: socket }) => {
      const port = listener.address?.socket_address?.port_value;
      const tls =
        socket?.typed_config &&
        unpackAs('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', socket.typed_config);
      const { combined_validation_context: validation, tls_params } = tls?.common_tls_context ?? {};
      return JSON.stringify([
        port,
        match?.server_names ?? [],
        tls?.require_client_certificate ?? 'plain',
        validation?.default_validation_context?.match_subject_alt_names ?? 'any',
        tls_params ?? 'any',
      ]);
    }),
  );

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEYS = JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] });

interface Case {
  readonly kind: Kind;
  readonly spec: Json;
  readonly permissions: Permissions;
  readonly others?: readonly RawObject[];
  /** Spoilings that leave another valid object. */
  readonly harmless?: RegExp;
}

const other = (kind: Kind, spec: Json): RawObject => objectOf(kind, 'other', 'default', { spec });
const web = { matchLabels: { app: 'web' } };
const client = { labels: { app: 'client' } };

const cases: readonly Case[] = [
  { kind: 'PeerAuthentication', spec: { mtls: { mode: 'STRICT' } }, permissions: plaintext },
  {
    kind: 'PeerAuthentication',
    spec: { selector: web, mtls: { mode: 'STRICT' }, portLevelMtls: { 9000: { mode: 'DISABLE' } } },
    permissions: plaintext,
    others: [other('PeerAuthentication', { mtls: { mode: 'PERMISSIVE' } })],
  },
  {
    kind: 'PeerAuthentication',
    spec: { selector: web, mtls: { mode: 'PERMISSIVE' }, portLevelMtls: { 9000: { mode: 'STRICT' } } },
    permissions: plaintext,
    others: [other('PeerAuthentication', { mtls: { mode: 'STRICT' } })],
  },
  {
    kind: 'PeerAuthentication',
    spec: { selector: { matchLabels: { app: 'client' } }, mtls: { mode: 'PERMISSIVE' } },
    permissions: plaintext,
    others: [other('PeerAuthentication', { mtls: { mode: 'STRICT' } })],
  },
  {
    kind: 'Sidecar',
    spec: {
      workloadSelector: client,
      outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      egress: [{ hosts: ['./web.default.svc.cluster.local'] }],
    },
    permissions: outgoing,
    harmless: /^(?:one more field for|[^ ]*x for) egress\[0\]/,
  },
  {
    kind: 'Sidecar',
    spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    permissions: outgoing,
  },
  {
    kind: 'MeshConfig',
    spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    permissions: outgoing,
    // What MeshConfig may say beside it is not known to restrict, and istiod takes it too.
    harmless: /^(?:one more field for|[^ ]*x for) /,
  },
  {
    kind: 'DestinationRule',
    spec: {
      host: 'outside.example.com',
      exportTo: ['.'],
      trafficPolicy: {
        tls: { mode: 'SIMPLE', caCertificates: '/ca', subjectAltNames: ['a'], sni: 'b' },
        portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'SIMPLE', subjectAltNames: ['c'] } }],
      },
    },
    permissions: outgoing,
    // A rule for another host, or with another policy: fields beside `tls` are known to the API server.
    harmless:
      /^(?:one more field for|[^ ]*x for) (?:spec|host|exportTo|trafficPolicy(?:\.tls|\.portLevelSettings(?:\[0\](?:\.port(?:\.number)?|\.tls)?)?)?)$|for host/,
  },
  {
    kind: 'RequestAuthentication',
    spec: {
      selector: web,
      jwtRules: [
        { issuer: 'a', audiences: ['x', 'y'], jwks: KEYS, fromHeaders: [{ name: 'h', prefix: 'p' }] },
        {
          issuer: 'b',
          jwks: KEYS,
          fromParams: ['p'],
          outputClaimToHeaders: [{ header: 'h', claim: 'c' }],
          forwardOriginalToken: true,
        },
      ],
    },
    permissions: validTokens,
  },
  {
    kind: 'Gateway',
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [
        {
          port: { number: 443, name: 'https', protocol: 'HTTPS' },
          hosts: ['a.example.com'],
          tls: {
            mode: 'MUTUAL',
            credentialName: 'c',
            subjectAltNames: ['x'],
            minProtocolVersion: 'TLSV1_3',
            cipherSuites: ['AES256-SHA'],
          },
        },
      ],
    },
    permissions: servers,
    harmless:
      /^(?:one more field for spec|serversx for servers|selectorx for selector|.* for selector\.istio|one more field for selector|selector\.istiox)/,
  },
];

const NOT_VALID_OTHERWISE: Readonly<Record<string, readonly Json[]>> = {
  mode: ['NONSENSE', 99],
  minProtocolVersion: ['TLSV9'],
};

test('whatever field of what restricts cannot be read, it lets nothing happen that it did not', () => {
  const seen = { spoilings: 0, keptOut: 0, stillHappening: 0 };
  for (const { kind, spec, permissions, others = [], harmless } of cases) {
    const name = kind === 'MeshConfig' ? 'istio' : 'it';
    const it = (spec: Json): RawObject => objectOf(kind, name, 'default', { spec });
    const storeOf = (spec: Json): ConfigStore => {
      const store = new ConfigStore();
      for (const object of [...baseObjects, ...others, it(spec)]) store.apply({ op: 'upsert', object });
      return store;
    };
    const errorsOf = (store: ConfigStore) =>
      (store.contents().problems.get(objectKey(kind, kind === 'MeshConfig' ? '' : 'default', name)) ?? []).filter(
        problem => problem.severity === 'error',
      );
    const good = storeOf(spec);
    assert.deepEqual(errorsOf(good), [], kind);
    const before = permissions(good);
    const all: readonly Spoiled[] = spoilings(spec, NOT_VALID_OTHERWISE).filter(({ how }) => !harmless?.test(how));
    assert.ok(all.length > 3, kind);
    for (const { how, spec: bad } of all) {
      const first = storeOf(bad);
      assert.ok(errorsOf(first).length, `${kind}, ${how}: nothing is said`);
      const edited = storeOf(spec);
      edited.apply({ op: 'upsert', object: it(bad) });
      for (const [when, store] of [
        ['at first', first],
        ['after an edit', edited],
      ] as const) {
        const after = permissions(store);
        const more = after.filter(permission => !before.includes(permission));
        assert.deepEqual(more, [], `${kind} ${when}, ${how}`);
        seen.stillHappening += after.length;
        seen.keptOut += before.length - after.length;
      }
      seen.spoilings++;
    }
  }
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 100, `${what}: ${count}`);
});
