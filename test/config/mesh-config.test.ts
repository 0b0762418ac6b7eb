import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigContents } from '../../src/config/store.ts';
import { contentsOf } from '../support/folder.ts';

const read = (spec: object): ConfigContents =>
  contentsOf({
    objects: [{ apiVersion: '', kind: 'MeshConfig', metadata: { name: 'istio' }, spec } as never],
    problems: [],
  });

const specOf = ({ MeshConfig }: ConfigContents) => [...MeshConfig.values()][0]?.spec;

const said = ({ problems }: ConfigContents): readonly string[] =>
  [...problems.values()].flat().map(({ path, severity }) => `${severity} ${path}`);

test('of what MeshConfig says of TLS everything else stays', () => {
  const contents = read({
    tlsDefaults: { ecdhCurves: ['nope', 'P-256', 'prime256v1'], cipherSuites: ['!nope', 'ALL'] },
    meshMTLS: { cipherSuites: ['ALL', '-ALL'], minProtocolVersion: 'TLSV1_3' },
  });
  assert.deepEqual(specOf(contents)?.tlsDefaults, { ecdhCurves: ['P-256'], cipherSuites: ['ALL'] });
  assert.deepEqual(specOf(contents)?.meshMTLS?.cipherSuites, []);
  assert.ok(specOf(contents)?.meshMTLS?.minProtocolVersion);
  assert.deepEqual(said(contents), [
    'error meshMTLS.cipherSuites',
    'error tlsDefaults.cipherSuites[0]',
    'error tlsDefaults.ecdhCurves[0]',
    'error tlsDefaults.ecdhCurves[2]',
  ]);
});

test('a root namespace that none can have leaves what is mesh-wide where it was', () => {
  for (const rootNamespace of ['Istio-System', 'a b', 'istio-system/', '*']) {
    const contents = read({ rootNamespace });
    assert.deepEqual(said(contents), ['error rootNamespace'], rootNamespace);
    assert.notEqual(specOf(contents)?.rootNamespace, rootNamespace);
  }
  assert.equal(specOf(read({ rootNamespace: 'mesh' }))?.rootNamespace, 'mesh');
});

test('what exports nothing to anybody gets a word', () => {
  const contents = read({
    defaultServiceExportTo: ['.', 'nope!'],
    defaultVirtualServiceExportTo: ['*'],
    defaultDestinationRuleExportTo: ['All', 'shop'],
  });
  assert.deepEqual(said(contents), ['warning defaultServiceExportTo[1]', 'warning defaultDestinationRuleExportTo[0]']);
});
