import { X509Certificate } from 'node:crypto';
import { overPlaintext, overTls } from '../access/caller.ts';
import type { Security } from '../access/security.ts';
import type { AuthorityHeard } from '../authority/cluster-authority.ts';
import { type CertificateOutcome, certificateMethods } from '../certificates/certificate-service.ts';
import { SigningLine } from '../certificates/signing-line.ts';
import { WorkloadCertificates } from '../certificates/workload-certificates.ts';
import type { Clock } from '../clock.ts';
import type { Problem } from '../config/problem.ts';
import type { Methods } from '../grpc/server.ts';
import type { Pages } from '../http/page.ts';
import type { MeshSettings } from '../istio/settings.ts';
import type { Log } from '../log/log.ts';
import type { Proxy } from '../model/proxy/proxy.ts';
import type { Acknowledgements } from '../security/acknowledgements.ts';
import type { Authenticator } from '../security/authenticate.ts';
import type { CertificateAuthority } from '../security/authority.ts';
import { type CertificateLife, certificateLife, watchedCertificates } from '../security/certificate-life.ts';
import { clientCertificates, type TrustedRoots, verifyClientCertificate } from '../security/client-certificate.ts';
import {
  type OwnCertificate,
  ownCertificate,
  renewalTime,
  type ServingPlace,
  servingLife,
  servingNames,
} from '../security/own-certificate.ts';
import type { RotationStep } from '../security/rotation.ts';
import type { Address } from '../settings/address.ts';
import type { Settings } from '../settings/settings.ts';
import { ServerTls } from '../tls.ts';
import { otherRoots } from '../translate/trust-bundle.ts';
import { ListenError, type OpenPorts, type Port } from './ports.ts';

/** How the port is doing. */
export interface SecurePortState {
  open: boolean;
  /** What is wrong with the authority: where the port is closed, why it is. */
  problems: readonly Problem[];
  /** How far the certificates have come that the mesh hangs on. */
  lives?: () => readonly CertificateLife[];
  /** When the first of those ends that vouch for leaves, in seconds since 1970. */
  chainExpiry?: number;
  /** How far a rotation has come, and how many it waits for. */
  rotation?: { readonly step: RotationStep; readonly waitedFor: number };
  /** The certificates of proxies that have no agent to get them. */
  certificates?: WorkloadCertificates<Proxy>;
}

/** What the port stands on. */
export interface SecurePortContext {
  readonly address: Address;
  readonly place: ServingPlace;
  /** The mesh's own trust domain, and the others that it is known by. */
  readonly trustDomains: () => readonly [own: string, ...aliases: readonly string[]];
  /** Roots in PEM that the mesh trusts beside the authority's; may be empty. */
  readonly otherRoots: () => string;
  /** Those who know callers by their tokens. */
  readonly tokens: readonly Authenticator[];
  readonly acknowledgements: Acknowledgements;
  /** Where certificates are signed, one after the other. */
  readonly line: SigningLine;
  /** What is served beside the certificates. */
  readonly methods: Methods;
  readonly clock: Clock;
  readonly log: Log;
  /** A certificate was asked for. */
  readonly onOutcome: (outcome: CertificateOutcome) => void;
}

/** Milliseconds from one look at whether the serving certificate is to be renewed to the next: timers cannot wait for months, nor be late. */
const LOOK = { least: 1_000, most: 3_600_000 };

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
  /** The API server, which needs no certificate. */
  readonly #webhookTls: ServerTls;

  private constructor(context: SecurePortContext, authority: CertificateAuthority, own: OwnCertificate) {
    this.#context = context;
    this.#authority = authority;
    this.#own = own;
    this.#renewAt = renewalTime(context.clock.now(), own.notAfter, 0);
    const now = (): number => context.clock.now();
    this.#tls = new ServerTls(
      'h2',
      this.#identity(),
      chain => {
        const proof = verifyClientCertificate(chain, this.#roots(), now());
        return proof.ok ? undefined : proof.reason;
      },
      (peer, problem) => context.log.warn({ peer, problem }, 'a connection was cut off at its handshake'),
    );
    const { certificate, key } = this.#identity();
    this.#webhookTls = new ServerTls('http/1.1', { certificate, key });
    this.#look();
  }

  static async create(context: SecurePortContext, authority: CertificateAuthority): Promise<SecurePort> {
    return new SecurePort(context, authority, await certificateOf(context, authority));
  }

  /** The row of the table of ports. */
  row(): Port {
    const { address, tokens, methods, clock } = this.#context;
    // istiod's order.
    const identify = overTls([clientCertificates(() => this.#roots(), clock), ...tokens]);
    const service = certificateMethods({ ...this.#context, authority: () => this.#authority, identify });
    const grpc = { ...methods, ...service };
    return { name: 'tls', address, tls: this.#tls, identify, serves: { grpc } };
  }

  /** The row of the port that the API server asks: it shows the same certificate. */
  webhookRow({ address, pages }: WebhookPort): Port {
    return { name: 'webhook', address, tls: this.#webhookTls, identify: overPlaintext, serves: { pages } };
  }

  /** The certificate that is shown to who connects. */
  get serving(): X509Certificate {
    return new X509Certificate(this.#own.chain[0] ?? '');
  }

  /** How far the certificates have come that this port hangs on. */
  lives(): readonly CertificateLife[] {
    const now = this.#context.clock.now();
    return watchedCertificates(this.#authority, this.serving).map(watched => certificateLife(watched, now));
  }

  /** Signs and serves by another authority from now on. */
  async replace(authority: CertificateAuthority): Promise<void> {
    const own = await certificateOf(this.#context, authority);
    this.#authority = authority;
    this.#own = own;
    this.#renewAt = renewalTime(this.#context.clock.now(), own.notAfter, 0);
    this.#tls.replace(this.#identity());
    this.#webhookTls.replace(this.#identity());
  }

  #look(): void {
    const { clock, log } = this.#context;
    clock.after(Math.max(LOOK.least, Math.min(LOOK.most, this.#renewAt - clock.now())), () => {
      if (clock.now() >= this.#renewAt)
        this.replace(this.#authority).catch((error: unknown) =>
          log.error({ err: error }, 'the serving certificate could not be renewed'),
        );
      this.#look();
    });
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

/** What the API server asks, and where. */
export interface WebhookPort {
  readonly address: Address;
  readonly pages: Pages;
}

/** What running the port takes of the control plane. */
export interface RunContext
  extends Pick<
    SecurePortContext,
    'address' | 'tokens' | 'methods' | 'acknowledgements' | 'clock' | 'log' | 'onOutcome'
  > {
  readonly settings: Pick<Settings, 'mesh' | 'revision' | 'tlsHosts' | 'workloadCertTtl'>;
  readonly meshSettings: () => MeshSettings | undefined;
  readonly ports: OpenPorts;
  readonly webhook?: WebhookPort | undefined;
  /** Kept up to date. */
  readonly state: SecurePortState;
  /** The port cannot be opened. */
  failed(error: unknown): void;
  readonly signal: AbortSignal;
}

/** Opens the port once there is an authority, and has it follow the authority from then on. Resolves once that has been looked up. */
export async function runSecurePort(context: RunContext, { followAuthority }: Security): Promise<void> {
  const { settings, meshSettings, ports, webhook, acknowledgements, state, signal, clock, log } = context;
  const { mesh, revision, tlsHosts, workloadCertTtl } = settings;
  const trustDomains = (): readonly [string, ...string[]] => {
    const { trustDomain, config } = meshSettings() ?? {};
    return [trustDomain ?? mesh.domain, ...(config?.trustDomainAliases ?? [])];
  };
  const others = (): string => {
    const known = meshSettings();
    return known ? otherRoots(known) : '';
  };
  const line = new SigningLine();
  const certificates = new WorkloadCertificates<Proxy>({ line, clock, log, life: workloadCertTtl, otherRoots: others });
  state.certificates = certificates;
  const place = { namespace: mesh.rootNamespace, revision, customHosts: tlsHosts };
  const portContext = { ...context, line, place, trustDomains, otherRoots: others };
  let port: SecurePort | undefined;
  const follow = async (authority: CertificateAuthority): Promise<void> => {
    acknowledgements.begin(authority.step);
    certificates.use(authority);
    state.chainExpiry = authority.notAfter / 1_000;
    if (port) return port.replace(authority);
    const made = await SecurePort.create(portContext, authority);
    if (signal.aborted) return;
    await ports.open(made.row());
    if (webhook) await ports.open(made.webhookRow(webhook));
    port = made;
    state.lives = () => made.lives();
    state.open = true;
    log.info({ address: ports.reachedAt('tls') }, 'proxies connect over TLS');
  };
  // One after the other: the newest is in force in the end.
  let following = Promise.resolve();
  const heard: AuthorityHeard = {
    inForce(authority) {
      following = following
        .then(() => follow(authority))
        .catch((error: unknown) => {
          if (error instanceof ListenError) context.failed(error);
          else log.error({ err: error }, 'an authority cannot be served by');
        });
    },
    problems(problems) {
      state.problems = problems;
    },
    rotation(step, waitedFor) {
      state.rotation = { step, waitedFor };
    },
  };
  // Who does not serve the webhook leaves its roots to whom it is of.
  const ofWebhook = webhook && revision;
  const serving = () => port?.serving;
  const trustDomain = () => trustDomains()[0];
  await followAuthority({ trustDomain, acknowledgements, serving, revision: ofWebhook }, heard, signal);
}
