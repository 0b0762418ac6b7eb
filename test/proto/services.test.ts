import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adsService, certificateService, serviceDefinition, statusService } from '../../src/proto/services.ts';

test('services carry paths, directions and the codec of plain objects', () => {
  const { StreamAggregatedResources: sotw, DeltaAggregatedResources: delta } = adsService();
  assert.equal(sotw.path, '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources');
  assert.ok(sotw.requestStream && sotw.responseStream && delta.requestStream && delta.responseStream);
  const request = { node: { id: 'sidecar~10.0.0.1~a.b~b.svc.cluster.local' }, type_url: 't', resource_names: ['x'] };
  assert.deepEqual(sotw.requestDeserialize(sotw.requestSerialize(request)), request);
  const create = certificateService().CreateCertificate;
  assert.equal(create.path, '/istio.v1.auth.IstioCertificateService/CreateCertificate');
  assert.equal(create.responseStream, false);
  assert.ok(statusService().FetchClientStatus);
  assert.throws(() => serviceDefinition('envoy.service.Nope'), /unknown service/);
});
