import { type Caller, overHttp, overPlaintext, type Rights, rightsOf } from './access/caller.ts';
import { CredentialAccess } from './access/credential-access.ts';
import { folderAccess } from './access/folder-access.ts';
import type { JwtRule } from './access/jwt-rule.ts';
import type { Security } from './access/security.ts';
import { tokenCallers } from './access/token-callers.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Peer } from './grpc/peer.ts';
import { Ration } from './grpc/ration.ts';
import { controlZPages } from './http/control-z.ts';
import type { DebugView } from './http/debug/view.ts';
import { Metrics } from './http/metrics.ts';
import type { Pages } from './http/page.ts';
import { pagesOf } from './http/pages.ts';
import type { WatchState } from './http/ready.ts';
import { type FollowInjector, type FollowWebhooks, Injector, injectorConfigMap } from './injector.ts';
import { inquiries } from './inquiries.ts';
import type { NamedObject } from './istio/credentials.ts';
import { Line } from './line.ts';
import { BoundLog } from './log/bound-log.ts';
import type { Log } from './log/log.ts';
import { LogScopes } from './log/log-scopes.ts';
import { ProblemLog } from './log/problem-log.ts';
import type { MeshModel } from './model/mesh.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import { objectKey } from './object-key.ts';
import { openPorts, type Port } from './ports/ports.ts';
import type { RunContext, SecurePortState } from './ports/secure-port.ts';
import { ProxyHandler } from './proxy-handler.ts';
import { readings } from './readings.ts';
import { Acknowledgements } from './security/acknowledgements.ts';
import type { Authenticator } from './security/authenticate.ts';
import { SecretAccess } from './security/secret-access.ts';
import { reachedAt } from './settings/address.ts';
import type { Settings } from './settings/settings.ts';
import { RemoteKeySource } from './sources/jwks/remote-keys.ts';
import type { ConfigSource } from './sources/source.ts';
import { controlPlaneIdentifier, REPLICA, VERSION } from './version.ts';
import type { World } from './world.ts';
import { AdsServer } from './xds/ads-server.ts';

/** What a control plane is made of besides its settings. */
export interface Dependencies {
  /** Of an object that several have the first one's is in force. */
  readonly sources: readonly ConfigSource[];
  readonly log: Log;
  /** The same by what it is about; made of it without. */
  readonly scopes?: LogScopes;
  readonly clock?: Clock;
  readonly watches?: () => readonly WatchState[];
  /** What vouches for proxies; needed for the TLS port. */
  readonly security?: Security;
  /** Has the sources read these Secrets and ConfigMaps, and no others; what is in a folder is read anyway. */
  readonly follow?: (objects: readonly NamedObject[]) => void;
  /** Follows the settings of injection; pods are injected where there is a TLS port, too. */
  readonly followInjector?: FollowInjector;
  /** Follows the webhooks that bring pods here; without, they are those of an installation. */
  readonly followWebhooks?: FollowWebhooks;
  /** An issuer whose tokens callers may show. */
  readonly jwtRule?: JwtRule | undefined;
}

/** A running control plane. */
export interface ControlPlane {
  /** Where proxies connect in plaintext, and over TLS once there is an authority: `host:port`, empty for nowhere. */
  readonly xds: string;
  readonly tls: string;
  /** Where the pages are. */
  readonly http: string;
  /** Resolves once every kind has been listed and proxies are served. */
  readonly ready: Promise<void>;
  /** Rejects where it cannot go on: with a ListenError. */
  readonly failed: Promise<never>;
  /** The world that is served now; undefined before it is whole. */
  world(): World | undefined;
  stop(): Promise<void>;
}

/** The image that this process runs, where it is a container of a pod of the mesh. */
function ownImage(mesh: MeshModel | undefined, namespace: string): string | undefined {
  const pod = mesh?.contents.Pod.get(objectKey('Pod', namespace, REPLICA));
  return pod?.containers.find(({ name }) => name === 'discovery')?.image;
}

/** What a caller may have, by the settings. */
function rightsBy({ plaintextSecrets, debugNamespaces, source }: Settings, line: Line): (caller: Caller) => Rights {
  // Who reaches the loopback of a pod is not who may read the cluster's Secrets: a port-forward arrives there.
  const inPlaintext = plaintextSecrets ? 'anybody' : source.kind === 'directory' ? 'local' : 'nobody';
  return caller =>
    rightsOf(caller, {
      plaintextSecrets: inPlaintext,
      debugNamespaces: new Set([line.rootNamespace, ...debugNamespaces]),
    });
}

/** What the ports of a table serve, and whom they believe. */
interface Served {
  readonly pages: Pages;
  readonly controlz: Pages;
  readonly ads: AdsServer<Proxy>;
  readonly tokens: readonly Authenticator[];
}

/** What listens from the beginning; `tls` and `webhook` are opened once there is an authority. */
function portTable({ http, controlz, monitoring, xds }: Settings, served: Served): readonly Port[] {
  const identify = overHttp(served.tokens);
  const pages = { identify, serves: { pages: served.pages } };
  const table: readonly (Omit<Port, 'address'> & { readonly address: Port['address'] | undefined })[] = [
    { name: 'http', address: http, ...pages },
    { name: 'controlz', address: controlz, identify, serves: { pages: served.controlz } },
    { name: 'monitoring', address: monitoring, ...pages },
    { name: 'xds', address: xds, identify: overPlaintext, serves: { grpc: served.ads.methods } },
  ];
  return table.flatMap(({ address, ...row }) => (address ? { address, ...row } : []));
}

/** Starts a control plane. Its parts know one another by what they call: each paragraph makes one side of it. Rejects with a ListenError. */
export async function startControlPlane(settings: Settings, dependencies: Dependencies): Promise<ControlPlane> {
  const { sources, log, scopes = new LogScopes(log), security, followInjector, followWebhooks, jwtRule } = dependencies;
  const { clock = systemClock, watches = () => [], follow = () => {} } = dependencies;
  const { revision, mesh, jwks } = settings;
  const stopping = new AbortController();
  const { signal } = stopping;

  // From what sources say to the world that is served.
  const line = new Line({
    sources,
    mesh,
    share: settings.pushShare,
    clock,
    log,
    signal,
    pushing: () => ads.pushing,
    onRound: (lane, changes, delay) => metrics.round(lane, changes, delay / 1000),
    onWorld(world, causes, seconds) {
      metrics.built(seconds, causes);
      problems.ofMesh(world.problems);
      ads.push(causes);
      remoteKeys.follow(world.mesh.keyLocations);
    },
  });
  const world = (): World | undefined => line.world;
  const problems = new ProblemLog(scopes.of('model'));
  const secure: SecurePortState | undefined = settings.tls && security && { open: false, problems: [] };
  const metrics = new Metrics(
    VERSION,
    readings(() => view, line, secure),
  );

  // Who calls, and what a caller may have.
  const fetching = { ranges: jwks, ca: jwks.ca, clock, signal, onFetch: (ok: boolean) => metrics.keysFetched(ok) };
  const remoteKeys = new RemoteKeySource({ ...fetching, emit: change => line.add(change, 'remote keys') });
  const trustDomain = (): string => line.trustDomain;
  const callers = await tokenCallers({ ...fetching, jwtRule, security, trustDomain, clusterId: mesh.clusterId, log });
  const tokens = callers.authenticators;
  const known = { identify: (peer: Peer) => ports.identify(peer), rightsOf: rightsBy(settings, line), clock };
  const credentials = new CredentialAccess({
    access: new SecretAccess(security?.access ?? folderAccess(() => line.world?.mesh.contents), clock),
    clock,
    follow,
  });

  // What becomes of pods.
  const injector =
    settings.webhook &&
    followInjector &&
    new Injector({
      revision,
      rootNamespace: mesh.rootNamespace,
      mesh: () => line.world?.mesh,
      image: () => ownImage(line.world?.mesh, mesh.rootNamespace),
      log,
      onReview: (outcome, seconds) => metrics.injection.reviewed(outcome, seconds),
    });

  // What proxies are sent.
  const acknowledgements = new Acknowledgements();
  const handler = new ProxyHandler({
    ...known,
    acknowledgements,
    world,
    certificates: () => secure?.certificates,
    credentials,
    log: scopes.of('ads'),
    problems,
    metrics,
    inquiries: inquiries(() => ({
      ...known,
      view,
      pages,
      revision,
      refused: (peer, problem) => scopes.of('ads').warn({ peer, problem }, 'a question over xDS was refused'),
      identifier: controlPlaneIdentifier,
    })),
  });
  const ration = new Ration();
  const ads = new AdsServer<Proxy>(handler, {
    clock,
    ration,
    identifier: `pilotlight ${VERSION}`,
    onPushed: () => line.rounds.pushed(),
  });

  // What people see.
  const view: DebugView = {
    ads,
    world,
    rounds: line.rounds,
    credentials,
    watches,
    otherProblems: () => [...(secure?.problems ?? []), ...callers.problems(), ...(injector?.problems ?? [])],
    templates: () => injector?.templates,
    restarts: () => (injector ? (injector.restarts ?? 'unknown') : 'none'),
  };
  const pages = pagesOf(view, metrics, () => ({
    whole: line.isWhole,
    connections: ads.connectionCount,
    watches: watches(),
    tls: secure,
    injection: injector && injector.settings !== undefined,
  }));

  // What listens.
  const boundLog = new BoundLog(scopes.of('ads'), clock);
  const ports = await openPorts(portTable(settings, { pages, controlz: controlZPages(scopes), ads, tokens }), {
    ...known,
    ration,
    log,
    boundMet(name, peer) {
      metrics.bounded(name);
      boundLog.met(name, peer);
    },
  });
  const tls = settings.tls && (await ports.probe({ name: 'tls', address: settings.tls }));
  const webhook = injector && settings.webhook && (await ports.probe({ name: 'webhook', address: settings.webhook }));

  // It begins: the line at once, what needs an authority once there is one.
  const ready = line.run(async ({ keyLocations }) => {
    // Proxies that come back have keys: none is to lose them because a new process has not fetched them yet.
    remoteKeys.follow(keyLocations);
    await Promise.all([remoteKeys.tried(), callers.tried()]);
  });
  ready.catch(() => undefined);
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  if (tls && secure && security) {
    // It is not waited for: until it is known pods are refused, and proxies are served.
    if (injector) {
      void followInjector?.(injectorConfigMap(revision), data => injector.heard(data), signal);
      void followWebhooks?.(revision, webhooks => injector.broughtBy(webhooks), signal);
    }
    const context: RunContext = {
      address: tls,
      settings,
      state: secure,
      failed: fail,
      meshSettings: () => line.world?.mesh.settings,
      tokens,
      methods: ads.methods,
      acknowledgements,
      clock,
      log: scopes.of('ca'),
      onOutcome: outcome => metrics.certificates.asked(outcome),
      ports,
      webhook: injector && webhook && { address: webhook, pages: injector.pages },
      signal,
    };
    // The settings of the mesh say what its trust domain is. The library of X.509 is for those who use it: it takes memory.
    const opening = ready.then(async () => (await import('./ports/secure-port.ts')).runSecurePort(context, security));
    opening.catch((error: unknown) => log.error({ err: error }, 'the TLS port cannot be opened'));
  }

  return {
    xds: ports.reachedAt('xds'),
    http: ports.reachedAt('http'),
    tls: tls && secure ? reachedAt(tls) : '',
    ready,
    failed,
    world,
    async stop() {
      stopping.abort();
      line.rounds.stop();
      await ports.close();
      ads.close();
    },
  };
}
