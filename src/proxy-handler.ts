import type { Caller, Identified, Identify, Rights } from './access/caller.ts';
import type { CredentialAccess } from './access/credential-access.ts';
import { ProofEnds } from './access/proof-ends.ts';
import { bounds } from './bounds.ts';
import type { WorkloadCertificates } from './certificates/workload-certificates.ts';
import type { Clock } from './clock.ts';
import type { Waiting } from './grpc/call.ts';
import type { Peer } from './grpc/peer.ts';
import { BoundError, status } from './grpc/status.ts';
import type { Metrics } from './http/metrics.ts';
import type { Log } from './log/log.ts';
import type { ProblemLog } from './log/problem-log.ts';
import { parseNode, proven } from './model/proxy/node.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import type { Node } from './proto/generated/envoy/config/core/v3.ts';
import { type Acknowledgements, proxyOf } from './security/acknowledgements.ts';
import { checkNode } from './security/node-check.ts';
import { type ProxyWorld, type World, withCredentials, withWorkloadSecrets } from './world.ts';
import type { OtherResource } from './xds/frame.ts';
import {
  type Acked,
  type Admission,
  type AdsHandler,
  type Inquiries,
  notReady,
  type OtherRequest,
  type Sent,
  type Stream,
} from './xds/handler.ts';
import type { Snapshot } from './xds/resource-set.ts';
import type { XdsType } from './xds/resource-types.ts';
import type { Rejection } from './xds/subscription.ts';

/** What the handler of proxies needs of the control plane. */
export interface ProxyHandlerContext {
  /** The world that is served; undefined until it is whole. */
  readonly world: () => World | undefined;
  readonly identify: Identify;
  readonly rightsOf: (caller: Caller) => Rights;
  readonly credentials: CredentialAccess;
  /** Of proxies that have no agent to get them. */
  readonly certificates: () => WorkloadCertificates<Proxy> | undefined;
  readonly acknowledgements: Acknowledgements;
  readonly clock: Clock;
  readonly log: Log;
  readonly problems: ProblemLog;
  readonly metrics: Metrics;
  /** Answers streams that are no proxies'. */
  readonly inquiries?: Inquiries;
}

/** Types that are asked for though they are not served; so many are remembered, so that each is logged once. */
const MOST_UNKNOWN_TYPES = 100;

/** So many of the resources that a proxy rejects are in the log's line. */
const MOST_NAMED = 10;

/** Whether a caller may be the proxy that it says it is. */
function checkCaller(identified: Identified & { readonly ok: true }, proxy: Proxy): Identified {
  const { caller } = identified;
  if (caller.kind !== 'workload') return identified;
  const serviceAccount = proxy.class.metadata['SERVICE_ACCOUNT'] ?? '';
  const checked = checkNode(caller.proven, { namespace: proxy.namespace, serviceAccount, pod: proxy.name });
  return checked.ok ? identified : checked;
}

/** What proxies are, and what each is to have: the side of the ADS server that knows Istio. */
export class ProxyHandler implements AdsHandler<Proxy> {
  readonly inquiries: Inquiries | undefined;
  readonly #context: ProxyHandlerContext;
  readonly #proofs: ProofEnds<Proxy>;
  /** By what each has proved who it is, where it has. */
  readonly #provers = new WeakMap<Proxy, string>();
  readonly #unknownTypes = new Set<string>();

  constructor(context: ProxyHandlerContext) {
    this.inquiries = context.inquiries;
    this.#context = context;
    this.#proofs = new ProofEnds(context.clock);
  }

  connect(node: Node, peer: Peer, waiting: Waiting): Admission<Proxy> | Promise<Admission<Proxy>> {
    const { world, identify, log } = this.#context;
    if (!world()) return notReady;
    if ((node.id?.length ?? 0) > bounds['node-id'].most) throw new BoundError('node-id');
    const parsed = parseNode(node);
    if (!parsed.ok) {
      log.warn({ node: node.id, problem: parsed.message }, 'a proxy was refused');
      return { ok: false, code: status.INVALID_ARGUMENT, message: parsed.message };
    }
    const admission = (identified: Identified) => this.#admission(parsed.proxy, identified, peer, waiting);
    const identified = identify(peer);
    return identified instanceof Promise ? identified.then(admission) : admission(identified);
  }

  #admission(
    proxy: Proxy,
    identified: Identified,
    peer: Peer,
    waiting: Waiting,
  ): Admission<Proxy> | Promise<Admission<Proxy>> {
    const checked = identified.ok ? checkCaller(identified, proxy) : identified;
    if (!checked.ok) {
      const { code, message, reason = message } = checked;
      this.#context.log.warn({ proxy: proxy.id, peer: peer.address, problem: reason }, 'a proxy was refused');
      return { ok: false, code, message };
    }
    const { caller } = checked;
    if (caller.kind !== 'workload') return this.#admitted(proxy, caller);
    const client = proven(proxy);
    this.#provers.set(client, proxyOf(caller.proven, peer.address));
    if (client.class.certificates !== 'ads') return this.#admitted(client, caller);
    // However many wait for their certificates, who has proved its identity is not taken for one that says nothing.
    waiting.admit();
    const wait = { connection: peer.address, isOver: () => waiting.over };
    const certified = this.#context.certificates()?.admit(client, caller.proven, wait) ?? Promise.resolve();
    return certified.then(() => this.#admitted(client, caller));
  }

  #admitted(client: Proxy, caller: Caller): Admission<Proxy> {
    const { credentials, rightsOf } = this.#context;
    credentials.admit(client, rightsOf(caller).credentials);
    if (caller.kind === 'workload') this.#proofs.admit(client, caller.proven.expiresAt);
    return { ok: true, client };
  }

  snapshot(proxy: Proxy): Snapshot {
    const { credentials, certificates, problems } = this.#context;
    const { snapshot, translation } = this.#whole(proxy);
    const { credentials: wanted } = translation.configuration;
    const given = withCredentials(snapshot, credentials.level(proxy, wanted));
    problems.ofProxy(credentials.refusals(proxy, wanted));
    const own = certificates()?.of(proxy);
    return own ? withWorkloadSecrets(given, own.roots, own.own) : given;
  }

  /** All that a proxy is to have, whatever its rights. */
  #whole(proxy: Proxy): ProxyWorld {
    const { world, problems, metrics, log } = this.#context;
    const current = world();
    if (!current) throw new Error('a stream was admitted before the world was whole');
    try {
      const made = current.of(proxy);
      problems.ofProxy(made.translation.problems);
      return made;
    } catch (error) {
      const last = current.last(proxy);
      if (!last) throw error;
      metrics.failed();
      // What this proxy has goes on working while the fault in the program is found.
      log.error({ proxy: proxy.id, err: error }, 'translation failed; the proxy keeps what it has');
      return last;
    }
  }

  onOpen(stream: Stream<Proxy>): void {
    const { certificates, credentials, acknowledgements, log } = this.#context;
    const { client, protocol, peer } = stream;
    certificates()?.opened(stream);
    credentials.opened(stream);
    this.#proofs.opened(stream);
    const prover = this.#provers.get(client);
    if (prover !== undefined) acknowledgements.connected(prover, `${client.name}.${client.namespace}`);
    log.info({ proxy: client.id, protocol, peer: peer.address }, 'a proxy connected');
  }

  onClose(stream: Stream<Proxy>): void {
    const { certificates, credentials, acknowledgements, log } = this.#context;
    certificates()?.closed(stream);
    credentials.closed(stream);
    this.#proofs.closed(stream);
    const prover = this.#provers.get(stream.client);
    if (prover !== undefined) acknowledgements.disconnected(prover);
    log.info({ proxy: stream.client.id }, 'a proxy disconnected');
  }

  onSend(_: Stream<Proxy>, { type, frame, causes: [first] }: Sent): void {
    const { metrics, clock } = this.#context;
    metrics.sent(type, frame.size, first && (clock.now() - first.at) / 1000);
  }

  onAck({ client }: Stream<Proxy>, { type, delivery, causes }: Acked): void {
    const { acknowledgements, certificates, metrics } = this.#context;
    const prover = this.#provers.get(client);
    if (type === 'secret' && prover !== undefined)
      acknowledgements.acknowledge(prover, certificates()?.acknowledge(client, delivery.view));
    for (const { kind, at } of causes) metrics.acknowledged(kind, (delivery.at - at) / 1000);
  }

  onNack({ client }: Stream<Proxy>, type: XdsType, { version, nonce, names, message: error }: Rejection): void {
    this.#context.metrics.rejected(type);
    const resources = names.slice(0, MOST_NAMED);
    this.#context.log.warn(
      { proxy: client.id, type, version, nonce, resources, of: names.length, error },
      'a proxy rejected what it was sent',
    );
  }

  onOther({ client }: Stream<Proxy>, { typeUrl, first }: OtherRequest): readonly OtherResource[] {
    const unknown = this.#unknownTypes;
    if (first && unknown.size < MOST_UNKNOWN_TYPES && !unknown.has(typeUrl)) {
      unknown.add(typeUrl);
      this.#context.log.info({ proxy: client.id, typeUrl }, 'a type that is not served was asked for; answered empty');
    }
    return [];
  }

  onError(error: unknown, connection: Stream<Proxy> | undefined): void {
    this.#context.metrics.failed();
    this.#context.log.error({ proxy: connection?.client.id, err: error }, 'a stream failed');
  }
}
