import type { Caller, Identified, Identify, Rights } from './access/caller.ts';
import type { CredentialAccess } from './access/credential-access.ts';
import { ProofEnds } from './access/proof-ends.ts';
import { bounds } from './bounds.ts';
import type { WorkloadCertificates } from './certificates/workload-certificates.ts';
import type { Clock } from './clock.ts';
import { BoundError, status } from './grpc/status.ts';
import type { Metrics } from './http/metrics.ts';
import type { Log } from './log/log.ts';
import type { ProblemLog } from './log/problem-log.ts';
import { parseNode, proven } from './model/proxy/node.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import { type Acknowledgements, proxyOf } from './security/acknowledgements.ts';
import { checkNode } from './security/node-check.ts';
import { type ProxyWorld, type World, withCredentials, withWorkloadSecrets } from './world.ts';
import type { Admission, AdsHandler } from './xds/handler.ts';

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
export function proxyHandler(context: ProxyHandlerContext): AdsHandler<Proxy> {
  const { world, credentials, certificates, acknowledgements, clock, log, problems, metrics } = context;
  const lastGood = new WeakMap<Proxy['class'], ProxyWorld>();
  const proofs = new ProofEnds<Proxy>(clock);
  /** By what each has proved, where it has. */
  const provers = new WeakMap<Proxy, string>();
  const unknownTypes = new Set<string>();

  const whole = (proxy: Proxy): ProxyWorld => {
    const current = world();
    if (!current) throw new Error('a stream was admitted before the world was whole');
    try {
      const made = current.of(proxy);
      problems.ofProxy(made.translation.problems);
      lastGood.set(proxy.class, made);
      return made;
    } catch (error) {
      const last = lastGood.get(proxy.class);
      if (!last) throw error;
      metrics.failed();
      // What this proxy has goes on working while the fault in the program is found.
      log.error({ proxy: proxy.id, err: error }, 'translation failed; the proxy keeps what it has');
      return last;
    }
  };

  return {
    connect(node, peer, waiting) {
      if (!world())
        return { ok: false, code: status.UNAVAILABLE, message: 'not every kind of object has been listed yet' };
      if ((node.id?.length ?? 0) > bounds['node-id'].most) throw new BoundError('node-id');
      const parsed = parseNode(node);
      if (!parsed.ok) {
        log.warn({ node: node.id, problem: parsed.message }, 'a proxy was refused');
        return { ok: false, code: status.INVALID_ARGUMENT, message: parsed.message };
      }
      const { proxy } = parsed;
      const admitted = (client: Proxy, caller: Caller): Admission<Proxy> => {
        credentials.admit(client, context.rightsOf(caller).credentials);
        if (caller.kind === 'workload') proofs.admit(client, caller.proven.expiresAt);
        return { ok: true, client };
      };
      const withCertificate = async (client: Proxy, caller: Caller & { readonly kind: 'workload' }) => {
        // However many wait for their certificates, who has proved its identity is not taken for one that says nothing.
        waiting.admit();
        const isOver = (): boolean => waiting.over;
        await certificates()?.admit(client, caller.proven, { connection: peer.address, isOver });
        return admitted(client, caller);
      };
      const admission = (identified: Identified): Admission<Proxy> | Promise<Admission<Proxy>> => {
        const checked = identified.ok ? checkCaller(identified, proxy) : identified;
        if (!checked.ok) {
          const { code, message, reason = message } = checked;
          log.warn({ proxy: proxy.id, peer: peer.address, problem: reason }, 'a proxy was refused');
          return { ok: false, code, message };
        }
        const { caller } = checked;
        if (caller.kind !== 'workload') return admitted(proxy, caller);
        const client = proven(proxy);
        provers.set(client, proxyOf(caller.proven, peer.address));
        return client.class.certificates === 'ads' ? withCertificate(client, caller) : admitted(client, caller);
      };
      const identified = context.identify(peer);
      return identified instanceof Promise ? identified.then(admission) : admission(identified);
    },
    snapshot(proxy) {
      const { snapshot, translation } = whole(proxy);
      const { credentials: wanted } = translation.configuration;
      const given = withCredentials(snapshot, credentials.level(proxy, wanted));
      problems.ofProxy(credentials.refusals(proxy, wanted));
      const own = certificates()?.of(proxy);
      return own ? withWorkloadSecrets(given, own.roots, own.own) : given;
    },
    onOpen(stream) {
      const { client, protocol, peer } = stream;
      certificates()?.opened(stream);
      credentials.opened(stream);
      proofs.opened(stream);
      const prover = provers.get(client);
      if (prover !== undefined) acknowledgements.connected(prover, `${client.name}.${client.namespace}`);
      log.info({ proxy: client.id, protocol, peer: peer.address }, 'a proxy connected');
    },
    onClose(stream) {
      certificates()?.closed(stream);
      credentials.closed(stream);
      proofs.closed(stream);
      const prover = provers.get(stream.client);
      if (prover !== undefined) acknowledgements.disconnected(prover);
      log.info({ proxy: stream.client.id }, 'a proxy disconnected');
    },
    onSend(_, { type, frame, causes: [first] }) {
      metrics.sent(type, frame.size, first && (clock.now() - first.at) / 1000);
    },
    onAck({ client }, { type, delivery, causes }) {
      const prover = provers.get(client);
      if (type === 'secret' && prover !== undefined)
        acknowledgements.acknowledge(prover, certificates()?.acknowledge(client, delivery.view));
      for (const { kind, at } of causes) metrics.acknowledged(kind, (delivery.at - at) / 1000);
    },
    onNack({ client }, type, { version, nonce, names, message }) {
      metrics.rejected(type);
      log.warn(
        {
          proxy: client.id,
          type,
          version,
          nonce,
          resources: names.slice(0, MOST_NAMED),
          of: names.length,
          error: message,
        },
        'a proxy rejected what it was sent',
      );
    },
    onOther({ client }, { typeUrl, first }) {
      if (first && unknownTypes.size < MOST_UNKNOWN_TYPES && !unknownTypes.has(typeUrl)) {
        unknownTypes.add(typeUrl);
        log.info({ proxy: client.id, typeUrl }, 'a type that is not served was asked for; answered empty');
      }
      return [];
    },
    onError(error, connection) {
      metrics.failed();
      log.error({ proxy: connection?.client.id, err: error }, 'a stream failed');
    },
  };
}
