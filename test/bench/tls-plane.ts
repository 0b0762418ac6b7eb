import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { AuthorityHeard } from '../../src/authority/cluster-authority.ts';
import { serve } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';
import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigChange } from '../../src/config/store.ts';
import { type ControlPlane, startControlPlane } from '../../src/control-plane.ts';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import type { ReviewToken } from '../../src/security/token-review.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import type { ResourceSet } from '../../src/xds/resource-set.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { type MeshSize, meshObjects } from './mesh.ts';
import { proxyOf } from './world-server.ts';

export const servername = 'istiod.istio-system.svc';
interface Claims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly pod: { readonly name: string; readonly uid: string };
  };
}

/** Stands in for the API server: counts how often it is asked about each token, and believes all. */
export class Reviews {
  readonly asked = new Map<string, number>();

  readonly review: ReviewToken = async token => {
    this.asked.set(token, (this.asked.get(token) ?? 0) + 1);
    const {
      sub,
      aud,
      'kubernetes.io': own,
    } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;
    return {
      authenticated: true,
      audiences: aud,
      user: {
        username: sub,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${own.namespace}`],
        extra: {
          'authentication.kubernetes.io/pod-name': [own.pod.name],
          'authentication.kubernetes.io/pod-uid': [own.pod.uid],
        },
      },
    };
  };

  /** How often it was asked in all, and at most about one token. */
  get counts(): { readonly all: number; readonly ofOne: number } {
    const counts = [...this.asked.values()];
    return { all: counts.reduce((sum, n) => sum + n, 0), ofOne: Math.max(0, ...counts) };
  }
}

/** A control plane in this process, where its CPU can be counted, with both ports. Its authority and the reviews of tokens are local. */
export class TlsPlane {
  readonly endpoints: number;
  readonly reviews: Reviews;
  readonly plane: ControlPlane;
  readonly #heard: AuthorityHeard;
  readonly #emit: (change: ConfigChange) => void;
  authority: CertificateAuthority;
  root: string;
  readonly servername = servername;

  private constructor(
    size: MeshSize,
    plane: ControlPlane,
    reviews: Reviews,
    authority: CertificateAuthority,
    heard: AuthorityHeard,
    emit: (change: ConfigChange) => void,
  ) {
    this.endpoints = size.endpoints;
    this.plane = plane;
    this.reviews = reviews;
    this.authority = authority;
    this.root = rootBundle(authority);
    this.#heard = heard;
    this.#emit = emit;
  }

  static async start(size: MeshSize): Promise<TlsPlane> {
    const args = ['--config', '.', '--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0'];
    const tls = { host: '127.0.0.1', port: await freePorts() };
    const settings = { ...serveSettings(readArguments(serve, args)), tls };
    const reviews = new Reviews();
    const authority = rootAuthority(await makeRoot('cluster.local', Date.now()));
    const hearing = Promise.withResolvers<AuthorityHeard>();
    let emit: (change: ConfigChange) => void = () => {};
    let open = false;
    const security = {
      async followAuthority(_: unknown, heard: AuthorityHeard) {
        heard.inForce(authority);
        hearing.resolve(heard);
      },
      review: reviews.review,
      access: async () => ({ allowed: false }),
    };
    const source = {
      name: 'made up',
      run(to: typeof emit) {
        emit = to;
        for (const object of meshObjects(size)) to({ op: 'upsert', object });
        return { synced: Promise.resolve() };
      },
    };
    const write = (line: string): void => {
      open ||= line.includes('proxies connect over TLS');
    };
    const plane = await startControlPlane(settings, {
      sources: [source],
      log: pino({ level: 'info' }, { write }),
      security,
    });
    await plane.ready;
    await until('the TLS port', () => open);
    return new TlsPlane(size, plane, reviews, authority, await hearing.promise, emit);
  }

  get port(): number {
    return Number(this.plane.tls.split(':')[1]);
  }

  /** What a proxy asks for by name. */
  get names() {
    const { snapshot } = this.plane.world()?.of(proxyOf(0)) ?? {};
    const of = (set: ResourceSet | undefined): readonly string[] => (set?.list ?? []).map(r => r.name);
    return { endpoint: of(snapshot?.endpoint), route: of(snapshot?.route) };
  }

  change(object: RawObject): void {
    this.#emit({ op: 'upsert', object });
  }

  /** Milliseconds from a change until it was handed to a socket, and until it was acknowledged, by the one proxy that it is for. */
  async push(object: RawObject): Promise<{ readonly handed: number; readonly acknowledged: number }> {
    const before = await this.#metrics();
    this.change(object);
    for (;;) {
      // Asking is work, too, and not to be done while the change is under way.
      await sleep(30);
      const now = await this.#metrics();
      const mean = (name: 'handed' | 'acknowledged'): number =>
        ((now[name].seconds - before[name].seconds) / (now[name].count - before[name].count)) * 1_000;
      if (now.acknowledged.count > before.acknowledged.count)
        return { handed: mean('handed'), acknowledged: mean('acknowledged') };
    }
  }

  /** Signs by another authority from now on. */
  replace(authority: CertificateAuthority): void {
    this.authority = authority;
    this.root = rootBundle(authority);
    this.#heard.inForce(authority);
  }

  /** How many responses with secrets have been sent. */
  async secretsSent(): Promise<number> {
    return (await this.#metrics()).secrets;
  }

  stop(): Promise<void> {
    return this.plane.stop();
  }

  async #metrics() {
    const text = await (await fetch(`http://${this.plane.http}/metrics`)).text();
    const sum = (line: RegExp): number => [...text.matchAll(line)].reduce((all, [, value]) => all + Number(value), 0);
    const distribution = (name: string) => ({
      count: sum(new RegExp(`^${name}_count\\{.*\\} (\\S+)$`, 'gm')),
      seconds: sum(new RegExp(`^${name}_sum\\{.*\\} (\\S+)$`, 'gm')),
    });
    return {
      handed: distribution('pilot_xds_push_time'),
      acknowledged: distribution('pilotlight_change_ack_seconds'),
      secrets: sum(/^pilot_xds_pushes\{.*type="sds".*\} (\S+)$/gm),
    };
  }
}
