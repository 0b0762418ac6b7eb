import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Kind } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/object-key.ts';
import { World } from '../../src/world.ts';
import { baseObjects, proxies } from '../property/base-mesh.ts';
import { objectOf } from '../property/objects.ts';
import { type Messages, messagesOf } from '../support/translation.ts';
import { type Call, mutualTls } from './call.ts';
import { simulate } from './simulate.ts';

/** `Kind name: spec`, in YAML. */
export const object = (text: string): RawObject => {
  const [, kind = '', name = '', spec = ''] = /^(\w+) ([\w-]+): (.*)$/s.exec(text) ?? [];
  return objectOf(kind as Kind, name, 'default', { spec: parse(spec) });
};

/** A new store, as after a start, with a small mesh and these objects. */
export function storeOf(texts: readonly string[]): ConfigStore {
  const store = new ConfigStore();
  for (const raw of [...baseObjects, ...texts.map(object)]) store.apply({ op: 'upsert', object: raw });
  return store;
}

/** `GET /path`, `GET /path as default/a` (mutual TLS), `GET /path from 10.1.0.7`, `tcp 9000`. */
function callOf(text: string): Call {
  const [, method, path = '/'] = /^([A-Z]+) (\S+)/.exec(text) ?? [];
  const [, port] = /^tcp (\d+)/.exec(text) ?? [];
  const [, namespace, account] = / as (\w+)\/(\w+)/.exec(text) ?? [];
  const [, source] = / from (\S+)/.exec(text) ?? [];
  return {
    direction: 'inbound',
    address: '10.1.0.10',
    port: Number(port ?? 8080),
    host: 'web',
    path,
    ...(method ? { method } : { protocol: 'tcp' }),
    ...(account && { tls: mutualTls(`spiffe://cluster.local/ns/${namespace}/sa/${account}`) }),
    ...(source && { source }),
  };
}

/** What one of the proxies of the small mesh is sent. */
export function sentTo(store: ConfigStore, name: string): Messages {
  const world = new World(store.contents(), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
  const proxy = proxies[name];
  assert.ok(proxy);
  return messagesOf(world.of(proxy).translation);
}

/** Of calls to a server those that its policies refuse. */
export function refusedBy(store: ConfigStore, calls: readonly string[]): readonly string[] {
  const messages = sentTo(store, 'server with agent');
  return calls.filter(text => {
    const { failure, response } = simulate(messages, callOf(text));
    return failure !== undefined || response?.status === 403;
  });
}

/** An AuthorizationPolicy. */
export const policy = (spec: string, name = 'it') => `AuthorizationPolicy ${name}: ${spec}`;
/** Calls that policies of the tests tell apart. */
export const calls = ['GET /a', 'GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'];

/** Paths of the errors that are told of an object. */
export const errorsOf = (store: ConfigStore, { kind, metadata }: RawObject): readonly string[] => {
  const problems = store.contents().problems.get(objectKey(kind, metadata.namespace ?? '', metadata.name)) ?? [];
  return [...new Set(problems.filter(problem => problem.severity === 'error').map(problem => problem.path))];
};
