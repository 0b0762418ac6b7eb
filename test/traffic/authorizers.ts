/** External authorizers, as users write them: one that speaks HTTP, one of Envoy's gRPC service. Requests say what to answer in `x-ext`. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { CheckRequest, CheckResponse } from '../../src/proto/generated/envoy/service/auth/v3.ts';
import { StatusCode } from '../../src/proto/generated/envoy/type/v3.ts';
import { decode, encode } from '../../src/proto/message.ts';

/** What an authorizer was asked. */
export interface Check {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** An authorizer that remembers what it was asked. */
export interface Authorizer {
  readonly checks: readonly Check[];
  close(): void;
}

const isAllowed = (headers: IncomingHttpHeaders | Readonly<Record<string, string>>): boolean =>
  headers['x-ext'] === 'allow';

/** Answers 200 or 403, with headers that are to reach the application or the caller and others that are not. */
export async function httpAuthorizer(address: string, port: number): Promise<Authorizer> {
  const checks: Check[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    checks.push({ path: request.url ?? '', headers: request.headers, body });
    response.writeHead(isAllowed(request.headers) ? 200 : 403, {
      'x-user': 'ann',
      'x-note': 'noted',
      'x-reason': 'because',
      'x-inner': 'secret',
    });
    response.end(isAllowed(request.headers) ? '' : 'not you');
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    checks,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const header = (key: string, value: string) => ({ header: { key, value } });

const ALLOWED: CheckResponse = {
  status: {},
  ok_response: {
    headers: [header('x-user', 'ann')],
    headers_to_remove: ['x-secret'],
    response_headers_to_add: [header('x-note', 'noted')],
  },
};

const DENIED: CheckResponse = {
  status: { code: status.PERMISSION_DENIED },
  denied_response: {
    status: { code: StatusCode.Unauthorized },
    headers: [header('x-reason', 'because')],
    body: 'not you',
  },
};

/** Answers OK or 401. */
export async function grpcAuthorizer(address: string, port: number): Promise<Authorizer> {
  const checks: Check[] = [];
  const server = new Server();
  const check = {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: CheckRequest) => encode('envoy.service.auth.v3.CheckRequest', request),
    requestDeserialize: (bytes: Buffer) => decode('envoy.service.auth.v3.CheckRequest', bytes),
    responseSerialize: (response: CheckResponse) => encode('envoy.service.auth.v3.CheckResponse', response),
    responseDeserialize: (bytes: Buffer) => decode('envoy.service.auth.v3.CheckResponse', bytes),
  };
  server.addService(
    { check },
    {
      check(call: ServerUnaryCall<CheckRequest, CheckResponse>, answer: sendUnaryData<CheckResponse>) {
        const { path = '', headers = {}, body = '' } = call.request.attributes?.request?.http ?? {};
        checks.push({ path, headers, body });
        answer(null, isAllowed(headers) ? ALLOWED : DENIED);
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
  return { checks, close: () => server.forceShutdown() };
}
