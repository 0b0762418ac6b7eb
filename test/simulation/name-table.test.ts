import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsAnswer } from './name-table.ts';

const tables = [
  {
    table: {
      'web.bar.svc.cluster.local': { ips: ['10.0.0.1'], registry: 'Kubernetes', shortname: 'web', namespace: 'bar' },
      'api.example.com': { ips: ['240.240.0.1', '240.240.0.2'], registry: 'External' },
      '*.wild.example.com': { ips: ['240.240.0.3'], registry: 'External' },
      '*.example.com': { ips: ['240.240.0.4'], registry: 'External' },
    },
  },
];

const cases: readonly [string, string, readonly string[] | undefined][] = [
  ['web.bar.svc.cluster.local', 'foo', ['10.0.0.1']],
  ['web.bar.svc', 'foo', ['10.0.0.1']],
  ['web.bar', 'foo', ['10.0.0.1']],
  ['web', 'bar', ['10.0.0.1']],
  ['web', 'foo', undefined],
  ['api.example.com', 'foo', ['240.240.0.1', '240.240.0.2']],
  ['a.b.wild.example.com', 'foo', ['240.240.0.3']],
  ['wild.example.com', 'foo', ['240.240.0.4']],
  ['example.com', 'foo', undefined],
];

for (const [name, namespace, expected] of cases)
  test(`DNS: ${name} from ${namespace}`, () => assert.deepEqual(dnsAnswer(tables, name, namespace), expected));
