import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type protobuf from 'protobufjs';
import { descriptorsOf, serviceType } from './bundle.ts';
import type * as discovery from './generated/envoy/service/discovery/v3.ts';
import type * as status from './generated/envoy/service/status/v3.ts';
import type * as auth from './generated/istio/v1/auth.ts';
import { type AnyMessage, decodeMessage, encodeMessage } from './message.ts';

/** The methods of envoy.service.discovery.v3.AggregatedDiscoveryService. */
export interface AdsService extends ServiceDefinition {
  readonly StreamAggregatedResources: MethodDefinition<discovery.DiscoveryRequest, discovery.DiscoveryResponse>;
  readonly DeltaAggregatedResources: MethodDefinition<
    discovery.DeltaDiscoveryRequest,
    discovery.DeltaDiscoveryResponse
  >;
}

/** The methods of envoy.service.status.v3.ClientStatusDiscoveryService. */
export interface StatusService extends ServiceDefinition {
  readonly StreamClientStatus: MethodDefinition<status.ClientStatusRequest, status.ClientStatusResponse>;
  readonly FetchClientStatus: MethodDefinition<status.ClientStatusRequest, status.ClientStatusResponse>;
}

/** The method of istio.v1.auth.IstioCertificateService, by which pilot-agent has its certificate signed. */
export interface CertificateService extends ServiceDefinition {
  readonly CreateCertificate: MethodDefinition<auth.IstioCertificateRequest, auth.IstioCertificateResponse>;
}

/** ADS for grpc-js's `server.addService` and for clients. */
export const adsService = (): AdsService =>
  serviceDefinition('envoy.service.discovery.v3.AggregatedDiscoveryService') as AdsService;

/** Envoy's client status service. */
export const statusService = (): StatusService =>
  serviceDefinition('envoy.service.status.v3.ClientStatusDiscoveryService') as StatusService;

/** Istio's certificate service. */
export const certificateService = (): CertificateService =>
  serviceDefinition('istio.v1.auth.IstioCertificateService') as CertificateService;

const definitions = new Map<string, ServiceDefinition>();

/** Any service of the bundle for grpc-js, with the deterministic codec and plain objects of message.ts. Throws on an unknown name. */
export function serviceDefinition(name: string): ServiceDefinition {
  let definition = definitions.get(name);
  if (!definition) {
    const service = serviceType(name);
    // proto-loader writes every message that it is given out as a descriptor, which is slow: it gets what the service reaches.
    definition = withCodec(service, fromJSON(descriptorsOf(name))[name] as ServiceDefinition);
    definitions.set(name, definition);
  }
  return definition;
}

function withCodec(service: protobuf.Service, loaded: ServiceDefinition): ServiceDefinition {
  const methods = service.methodsArray.map((method): [string, ServiceDefinition[string]] => {
    const definition = loaded[method.name];
    if (!definition) throw new Error(`${service.fullName} has no ${method.name}`);
    const request = fullName(method.resolvedRequestType);
    const response = fullName(method.resolvedResponseType);
    return [
      method.name,
      {
        ...definition,
        requestSerialize: (message: AnyMessage) => encodeMessage(request, message),
        requestDeserialize: (bytes: Buffer) => decodeMessage(request, bytes),
        responseSerialize: (message: AnyMessage) => encodeMessage(response, message),
        responseDeserialize: (bytes: Buffer) => decodeMessage(response, bytes),
      },
    ];
  });
  return Object.fromEntries(methods);
}

function fullName(type: protobuf.Type | null): string {
  if (!type) throw new Error('the bundle is not resolved');
  return type.fullName.slice(1);
}
