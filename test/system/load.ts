import { setTimeout as pause } from 'node:timers/promises';
import type { SecureMesh } from './secure-mesh.ts';

/** Everybody speaks mutual TLS, and shows its certificate again and again. */
export const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: everybody, namespace: default}
spec: {host: '*.default.svc.cluster.local', trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 10}}}}
`;

/** Requests from some pods to one, all the time until they are stopped. */
export class Load {
  asked = 0;
  readonly lost: string[] = [];
  readonly #began = performance.now();
  #on = true;
  readonly #workers: readonly Promise<void>[];

  constructor(mesh: SecureMesh, pairs: readonly (readonly [from: string, to: string])[]) {
    this.#workers = pairs.map(async ([from, to]) => {
      const { clusterIP } = mesh.pod(to);
      while (this.#on) {
        const request = { address: clusterIP, port: 80, host: to, count: 50, concurrency: 4 };
        const answers = await mesh.pod(from).app.calls(request);
        this.asked += answers.length;
        for (const { status, body, headers } of answers)
          if (status !== 200) this.lost.push(`${from} to ${to}: ${status} ${body} ${headers['server']}`);
          else if (!body.includes(`URI=spiffe://cluster.local/ns/default/sa/${from}`)) this.lost.push(body);
        await pause(5);
      }
    });
  }

  /** Stops; gives the requests a second. */
  async stop(): Promise<number> {
    this.#on = false;
    await Promise.all(this.#workers);
    return (this.asked / (performance.now() - this.#began)) * 1_000;
  }
}
