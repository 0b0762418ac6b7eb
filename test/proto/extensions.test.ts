import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findType } from '../../src/proto/bundle.ts';
import { fromJson } from '../../src/proto/json.ts';

const proto = join(import.meta.dirname, '../../proto');

interface Declared {
  readonly nested?: Readonly<Record<string, Declared>>;
  readonly fields?: unknown;
  readonly values?: unknown;
  readonly methods?: unknown;
}

/** What a bundle's packages declare. */
function declared(file: string): readonly { readonly pkg: string; readonly name: string; readonly message: boolean }[] {
  const found: { readonly pkg: string; readonly name: string; readonly message: boolean }[] = [];
  const collect = (at: Declared, pkg: string): void => {
    for (const [name, child] of Object.entries(at.nested ?? {})) {
      const path = pkg ? `${pkg}.${name}` : name;
      if (child.fields || child.values) found.push({ pkg, name: path, message: child.fields !== undefined });
      else if (!child.methods) collect(child, path);
    }
  };
  collect(JSON.parse(readFileSync(join(proto, file), 'utf8')) as Declared, '');
  return found;
}

/** Go packages whose messages are in a protobuf package of another name. */
const renamed: Readonly<Record<string, string>> = {
  'envoy.extensions.filters.http.peer_metadata.v3': 'io.istio.http.peer_metadata',
  'envoy.extensions.filters.network.metadata_exchange.v3': 'envoy.tcp.metadataexchange.config',
  'envoy.extensions.filters.network.peer_metadata.v3': 'envoy.extensions.network_filters.peer_metadata',
  'envoy.config.filter.http.alpn.v2alpha1': 'istio.envoy.config.filter.http.alpn.v2alpha1',
  'envoy.config.filter.http.jwt_auth.v2alpha1': 'istio.envoy.config.filter.http.jwt_auth.v2alpha1',
  'envoy.config.filter.network.tcp_cluster_rewrite.v2alpha1':
    'istio.envoy.config.filter.network.tcp_cluster_rewrite.v2alpha1',
};

test('every package of Envoy’s API that istiod links is in the bundles', () => {
  const linked = readFileSync(join(proto, 'istiod-packages.txt'), 'utf8').trimEnd().split('\n');
  assert.ok(linked.length > 350);
  const packages = new Set(['bundle.json', 'extensions.json'].flatMap(declared).map(({ pkg }) => pkg));
  const missing = linked.filter(path => {
    const pkg = path
      .replace(/^(?:github\.com\/envoyproxy\/go-control-plane|istio\.io\/api)\/(?:contrib\/)?/, '')
      .replaceAll('/', '.');
    return !packages.has(renamed[pkg] ?? pkg);
  });
  assert.deepEqual(missing, []);
});

test('the two bundles have nothing in common, and every message of the second can be read', () => {
  const first = new Set(declared('bundle.json').map(({ name }) => name));
  const second = declared('extensions.json');
  assert.ok(second.length > 300);
  assert.deepEqual(
    second.filter(({ name }) => first.has(name)),
    [],
  );
  for (const { name, message } of second) {
    if (!message) continue;
    assert.ok(findType(name), name);
    assert.deepEqual(fromJson('google.protobuf.Any', { '@type': `type.googleapis.com/${name}` }).problems, [], name);
  }
});
