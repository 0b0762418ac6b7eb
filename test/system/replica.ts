import { after } from 'node:test';
import { clusterAuthority } from '../../src/authority/cluster-authority.ts';
import { systemClock } from '../../src/clock.ts';
import { type Problem, problemLine } from '../../src/config/problem.ts';
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts';
import { Writer } from '../../src/kubernetes/writer.ts';
import { Acknowledgements } from '../../src/security/acknowledgements.ts';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { type Pace, usualPace } from '../../src/security/rotation.ts';
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes.ts';
import { memoryLog } from '../kubernetes/log.ts';

/** What a control plane does for the authority of its mesh, in this process. */
export class Replica {
  /** Methods and paths of what it asked the API server. */
  readonly requests: string[] = [];
  readonly lines: ReturnType<typeof memoryLog>['lines'];
  authority: CertificateAuthority | undefined;
  problems: readonly string[] = [];
  readonly acknowledgements = new Acknowledgements();
  readonly #stop = new AbortController();

  constructor(client: ApiClient, pace: Pace = usualPace) {
    const { log, lines } = memoryLog();
    this.lines = lines;
    const counted = new Proxy(client, {
      get: (target, name) => {
        if (name !== 'json')
          return Reflect.get(target, name, target).bind?.(target) ?? Reflect.get(target, name, target);
        return (path: string, request: ApiRequest = {}) => {
          this.requests.push(`${request.method ?? 'GET'} ${path}`);
          return target.json(path, request);
        };
      },
    });
    const source = new KubernetesSource({ client: counted, log, timing: { retryMs: 50 } });
    const cluster = {
      follow: source.follow.bind(source),
      writer: (permit: ConstructorParameters<typeof Writer>[0]['permit']) =>
        new Writer({ client: counted, fieldManager: 'pilotlight', permit, retryMs: [50, 500, 180_000] }),
      namespace: 'istio-system',
      clock: systemClock,
      leaderTiming: { leaseMs: 15_000, renewMs: 10_000, retryMs: 300 },
      log,
    };
    const heard = {
      inForce: (authority: CertificateAuthority) => {
        this.authority = authority;
        this.acknowledgements.begin(authority.step);
      },
      problems: (problems: readonly Problem[]) => {
        this.problems = problems.map(problemLine);
      },
    };
    void clusterAuthority(
      cluster,
      counted,
      { trustDomain: () => 'cluster.local', acknowledgements: this.acknowledgements, pace },
      heard,
      this.#stop.signal,
    );
    after(() => this.stop());
  }

  /** The roots that proxies are to trust, in one text. */
  get bundle(): string {
    return this.authority ? rootBundle(this.authority) : '';
  }

  /** How often it wrote to the ConfigMap of the roots in a namespace. */
  writes(namespace: string): number {
    return this.requests.filter(r => r === `PATCH /api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`)
      .length;
  }

  said(words: RegExp): number {
    return this.lines.filter(({ msg }) => words.test(msg)).length;
  }

  stop(): void {
    this.#stop.abort();
  }
}
