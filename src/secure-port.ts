import { overTls } from './caller.ts';
import { certificateMethods } from './certificate-service.ts';
import type { Clock } from './clock.ts';
import type { Methods } from './grpc/server.ts';
import type { MeshOptions, MeshSettings } from './istio/settings.ts';
import type { Log } from './log.ts';
import type { OpenPorts, Port } from './ports.ts';
import type { Authenticator } from './security/authenticate.ts';
import type { CertificateAuthority } from './security/authority.ts';
import { clientCertificates, type TrustedRoots, verifyClientCertificate } from './security/client-certificate.ts';
import {
  type OwnCertificate,
  ownCertificate,
  renewalTime,
  type ServingPlace,
  servingLife,
  servingNames,
} from './security/own-certificate.ts';
import { ProofCache } from './security/proof-cache.ts';
import { type ReviewToken, tokenAudiences, tokenReviews } from './security/token-review.ts';
import type { Address } from './settings.ts';
import { ServerTls } from './tls.ts';

/** What vouches for proxies. */
export interface Security {
  /** Follows the mesh's certificate authority: `told` hears of each that is in force. */
  followAuthority(
    trustDomain: () => string,
    told: (authority: CertificateAuthority) => void,
    signal: AbortSignal,
  ): Promise<void>;
  readonly review: ReviewToken;
}

/** What the port stands on. */
export interface SecurePortContext {
  readonly address: Address;
  readonly place: ServingPlace;
  readonly clusterId: string;
  /** The mesh's own trust domain, and the others that it is known by. */
  readonly trustDomains: () => readonly [own: string, ...aliases: readonly string[]];
  readonly review: ReviewToken;
  /** What is served beside the certificates. */
  readonly methods: Methods;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds from one look at whether the serving certificate is to be renewed to the next: timers cannot wait for months. */
const LOOK_EVERY = 3_600_000;

/**
 * The port that proxies prove their identity at: the serving certificate is the authority's, renewed at half its life and whenever the authority
 * is another; connections that are open stay.
 */
export class SecurePort {
  readonly #context: SecurePortContext;
  #authority: CertificateAuthority;
  #own: OwnCertificate;
  #renewAt: number;
  readonly #tls: ServerTls;

  private constructor(context: SecurePortContext, authority: CertificateAuthority, own: OwnCertificate) {
    this.#context = context;
    this.#authority = authority;
    this.#own = own;
    this.#renewAt = renewalTime(context.clock.now(), own.notAfter, 0);
    const now = (): number => context.clock.now();
    this.#tls = new ServerTls('h2', this.#identity(), chain => verifyClientCertificate(chain, this.#roots(), now()).ok);
    this.#look();
  }

  static async create(context: SecurePortContext, authority: CertificateAuthority): Promise<SecurePort> {
    return new SecurePort(context, authority, await certificateOf(context, authority));
  }

  /** The row of the table of ports. */
  row(): Port {
    const { address, methods, clock, log } = this.#context;
    const identify = overTls(this.#authenticators());
    const authority = (): CertificateAuthority => this.#authority;
    const grpc = { ...methods, ...certificateMethods({ authority, identify, clock, log }) };
    return { name: 'tls', address, tls: this.#tls, identify, serves: { grpc } };
  }

  /** Signs and serves by another authority from now on. */
  async replace(authority: CertificateAuthority): Promise<void> {
    const own = await certificateOf(this.#context, authority);
    this.#authority = authority;
    this.#own = own;
    this.#renewAt = renewalTime(this.#context.clock.now(), own.notAfter, 0);
    this.#tls.replace(this.#identity());
  }

  #look(): void {
    const { clock, log } = this.#context;
    clock.after(LOOK_EVERY, () => {
      if (clock.now() >= this.#renewAt)
        this.replace(this.#authority).catch((error: unknown) =>
          log.error({ err: error }, 'the serving certificate could not be renewed'),
        );
      this.#look();
    });
  }

  /** istiod's order. */
  #authenticators(): readonly Authenticator[] {
    const { clock, clusterId, review, trustDomains } = this.#context;
    return [
      clientCertificates(() => this.#roots(), clock),
      tokenReviews({
        review,
        audiences: tokenAudiences,
        trustDomain: () => trustDomains()[0],
        clusterIds: new Set([clusterId]),
        cache: new ProofCache(clock),
        clock,
      }),
    ];
  }

  #roots(): TrustedRoots {
    return new Map(this.#context.trustDomains().map(domain => [domain, this.#authority.roots]));
  }

  #identity() {
    const { chain, roots, key } = this.#own;
    return { certificate: chain.join(''), key: key.revealPem(), clientRoots: [roots] };
  }
}

const certificateOf = ({ place, clock }: SecurePortContext, authority: CertificateAuthority): Promise<OwnCertificate> =>
  ownCertificate(authority, servingNames(place), servingLife, clock.now());

/** What running the port takes of the control plane. */
export interface RunContext extends Pick<SecurePortContext, 'address' | 'methods' | 'clock' | 'log'> {
  readonly mesh: MeshOptions;
  readonly settings: () => MeshSettings | undefined;
  readonly ports: OpenPorts;
  readonly signal: AbortSignal;
}

/** Opens the port once there is an authority, and has it follow the authority from then on. Rejects where it cannot be opened. */
export async function runSecurePort(context: RunContext, { followAuthority, review }: Security): Promise<void> {
  const { mesh, settings, ports, signal, log } = context;
  const trustDomains = (): readonly [string, ...string[]] => {
    const { trustDomain, config } = settings() ?? {};
    return [trustDomain ?? mesh.domain, ...(config?.trustDomainAliases ?? [])];
  };
  const place = { namespace: mesh.rootNamespace, revision: '', customHosts: [] };
  const portContext = { ...context, place, clusterId: mesh.clusterId, trustDomains, review };
  let port: Promise<SecurePort> | undefined;
  const opened = async (authority: CertificateAuthority): Promise<SecurePort> => {
    const made = await SecurePort.create(portContext, authority);
    if (signal.aborted) return made;
    await ports.open(made.row());
    log.info({ address: ports.reachedAt('tls') }, 'proxies connect over TLS');
    return made;
  };
  const replaced = async (before: Promise<SecurePort>, authority: CertificateAuthority): Promise<SecurePort> => {
    const made = await before;
    await made.replace(authority);
    return made;
  };
  const told = (authority: CertificateAuthority): void => {
    port = port ? replaced(port, authority) : opened(authority);
    port.catch((error: unknown) => log.error({ err: error }, 'the TLS port cannot be opened'));
  };
  await followAuthority(() => trustDomains()[0], told, signal);
}
