import { hostname } from 'node:os';
import { type Caller, overHttp, overPlaintext, type Rights, rightsOf } from './access/caller.ts';
import { CredentialAccess } from './access/credential-access.ts';
import { folderAccess } from './access/folder-access.ts';
import type { JwtRule } from './access/jwt-rule.ts';
import { tokenCallers } from './access/token-callers.ts';
import { controlPlaneIdentifier, versionText } from './build-info.ts';
import { SigningLine } from './certificates/signing-line.ts';
import type { WorkloadCertificates } from './certificates/workload-certificates.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Problem } from './config/problem.ts';
import type { ConfigChange } from './config/store.ts';
import { Ration } from './grpc/ration.ts';
import { controlZPages } from './http/control-z.ts';
import { debugPages } from './http/debug/pages.ts';
import type { DebugView } from './http/debug/view.ts';
import { Metrics } from './http/metrics.ts';
import type { Pages } from './http/page.ts';
import { readiness, type WatchState } from './http/ready.ts';
import { type FollowInjector, Injector, injectorConfigMap } from './injector.ts';
import { inquiries } from './inquiries.ts';
import { Intake } from './intake.ts';
import type { NamedObject } from './istio/credentials.ts';
import { BoundLog } from './log/bound-log.ts';
import type { Log } from './log/log.ts';
import { LogScopes } from './log/log-scopes.ts';
import { ProblemLog } from './log/problem-log.ts';
import type { MeshModel } from './model/mesh.ts';
import type { Proxy } from './model/proxy/proxy.ts';
import { objectKey } from './object-key.ts';
import { openPorts, type Port, probePort } from './ports/ports.ts';
import type { SecurePortState, Security } from './ports/secure-port.ts';
import { proxyHandler } from './proxy-handler.ts';
import { Rounds } from './rounds/rounds.ts';
import { Acknowledgements } from './security/acknowledgements.ts';
import { SecretAccess } from './security/secret-access.ts';
import { type Address, reachedAt, type Settings } from './settings.ts';
import { type KeyContext, RemoteKeySource } from './sources/jwks/remote-keys.ts';
import type { ConfigSource } from './sources/source.ts';
import { otherRoots } from './translate/trust-bundle.ts';
import { VERSION } from './version.ts';
import type { World } from './world.ts';
import { AdsServer } from './xds/ads-server.ts';
import type { AdsHandler, Cause } from './xds/handler.ts';

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
  const pod = mesh?.contents.Pod.get(objectKey('Pod', namespace, process.env['POD_NAME'] ?? hostname()));
  return pod?.containers.find(({ name }) => name === 'discovery')?.image;
}

/** Milliseconds of CPU time that this process has used. */
function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Starts a control plane. Its line: a source's change goes into the store; the world is built anew from what the store holds; every stream
 * is looked at and sent what it is owed by now. The first change is pushed at once; while changes keep coming they share rounds of pushes
 * (`Rounds`). Rejects with a ListenError.
 */
export async function startControlPlane(settings: Settings, dependencies: Dependencies): Promise<ControlPlane> {
  const {
    sources,
    log,
    scopes = new LogScopes(log),
    security,
    followInjector,
    jwtRule,
    clock = systemClock,
    watches = () => [],
    follow = () => {},
  } = dependencies;
  const stopping = new AbortController();
  let world: World | undefined;
  let whole = false;
  let certificates: WorkloadCertificates<Proxy> | undefined;

  const serve = (next: World, causes: readonly Cause[], seconds: number): void => {
    const first = !world;
    world = next;
    metrics.built(seconds, causes);
    problems.ofMesh(next.problems);
    if (first) prepare(next);
    ads.push(causes);
    remoteKeys.follow(next.mesh.keyLocations);
  };

  const prepare = (first: World): void => {
    try {
      first.prepare();
    } catch (error) {
      log.error({ err: error }, 'nothing could be made ahead of the first proxy');
    }
  };

  const intake = new Intake({
    sources: sources.map(({ name }) => name),
    mesh: settings.mesh,
    signal: stopping.signal,
    onWorld: serve,
  });

  const emit = (change: ConfigChange, source: string): void => {
    if (whole) rounds.add(change, source);
    else intake.add({ change, source, at: clock.now() });
  };

  const rounds = new Rounds({
    clock,
    share: settings.pushShare,
    cpu: cpuMillis,
    run: arrivals => intake.take(arrivals),
    pushing: () => ads.pushing,
    onRound: (lane, changes, delay) => metrics.round(lane, changes, delay / 1000),
  });

  const metrics = new Metrics(VERSION, {
    connections: () => {
      const counts = new Map<string, number>();
      for (const { client } of ads.connections) {
        const version = client.class.istioVersion || `envoy ${client.class.build.version.join('.')}`;
        counts.set(version, (counts.get(version) ?? 0) + 1);
      }
      return counts;
    },
    objects: () => intake.store.counts(),
    services: () => world?.mesh.services.length ?? 0,
    virtualServices: () => world?.mesh.contents.VirtualService.size ?? 0,
    problems: () => (world?.problems.length ?? 0) + otherProblems().length,
    restarts: () => injector?.restarts,
    authority: () => ({
      lives: secure?.lives?.() ?? [],
      chainExpiry: secure?.chainExpiry,
      rotation: secure?.rotation,
    }),
    watches: () =>
      new Map(watches().map(watch => [watch.name, watch.state === 'watching' || watch.state === 'absent'])),
  });

  const { allowed, blocked, ca } = settings.jwks;
  const keyContext: Omit<KeyContext, 'emit'> = {
    ranges: { allowed, blocked },
    ca,
    clock,
    signal: stopping.signal,
    onFetch: ok => metrics.keysFetched(ok),
  };
  const remoteKeys = new RemoteKeySource({ ...keyContext, emit: change => emit(change, 'remote keys') });

  const trustDomain = (): string => world?.mesh.settings.trustDomain ?? settings.mesh.domain;
  // The library of JOSE is for those who use it.
  const issuer =
    jwtRule && (await import('./access/token-issuer.ts')).followIssuer(jwtRule, { ...keyContext, trustDomain, log });
  const tokens = tokenCallers({
    issuer: issuer?.authenticator,
    own: security?.ownTokens?.(trustDomain, clock),
    review: security?.review,
    trustDomain,
    clusterId: settings.mesh.clusterId,
    clock,
  });
  const otherProblems = (): readonly Problem[] => [
    ...(secure?.problems ?? []),
    ...(issuer?.problems() ?? []),
    ...(injector?.problems ?? []),
  ];
  const secure: SecurePortState | undefined = settings.tls && security && { open: false, problems: [] };
  const injector =
    settings.webhook &&
    followInjector &&
    new Injector({
      revision: settings.revision,
      rootNamespace: settings.mesh.rootNamespace,
      mesh: () => world?.mesh,
      image: () => ownImage(world?.mesh, settings.mesh.rootNamespace),
      log,
      onReview: (outcome, seconds) => metrics.injection.reviewed(outcome, seconds),
    });
  const problems = new ProblemLog(scopes.of('model'));
  const boundLog = new BoundLog(scopes.of('ads'), clock);
  const { mesh, source } = settings;
  // Who reaches the loopback of a pod is not who may read the cluster's Secrets: a port-forward arrives there.
  const plaintextSecrets = settings.plaintextSecrets ? 'anybody' : source.kind === 'directory' ? 'local' : 'nobody';
  const rights = (caller: Caller): Rights => {
    const rootNamespace = world?.mesh.settings.rootNamespace ?? mesh.rootNamespace;
    return rightsOf(caller, {
      plaintextSecrets,
      debugNamespaces: new Set([rootNamespace, ...settings.debugNamespaces]),
    });
  };
  const credentials = new CredentialAccess({
    access: new SecretAccess(security?.access ?? folderAccess(() => world?.mesh.contents), clock),
    clock,
    follow,
  });
  const acknowledgements = new Acknowledgements();
  const proxies = proxyHandler({
    acknowledgements,
    world: () => world,
    certificates: () => certificates,
    identify: peer => ports.identify(peer),
    rightsOf: rights,
    credentials,
    clock,
    log: scopes.of('ads'),
    problems,
    metrics,
  });
  const asking = inquiries(() => ({
    view,
    pages,
    identify: peer => ports.identify(peer),
    rightsOf: rights,
    clock,
    refused: (peer, problem) => scopes.of('ads').warn({ peer, problem }, 'a question over xDS was refused'),
    identifier: controlPlaneIdentifier,
  }));
  const handler: AdsHandler<Proxy> = { ...proxies, inquiries: asking };
  const ration = new Ration();
  const ads = new AdsServer<Proxy>(handler, {
    clock,
    ration,
    identifier: `pilotlight ${VERSION}`,
    onPushed: () => rounds.pushed(),
  });
  const view: DebugView = {
    ads,
    world: () => world,
    rounds,
    credentials,
    watches,
    otherProblems,
    templates: () => injector?.templates,
    restarts: () => (injector ? (injector.restarts ?? 'unknown') : 'none'),
  };
  const pages: Pages = {
    '/ready': readiness(() => ({
      whole,
      connections: ads.connectionCount,
      watches: watches(),
      tls: secure,
      injection: injector && injector.settings !== undefined,
    })),
    '/live': { help: 'Whether the process answers', probe: true, page: () => ({ body: 'alive\n' }) },
    '/metrics': { help: 'What is counted, for Prometheus', page: () => metrics.page() },
    '/version': {
      help: 'The version of this control plane, as istioctl reads it',
      page: () => ({ body: versionText }),
    },
    ...debugPages(view),
  };
  const { controlz, http, monitoring, xds } = settings;
  const identify = overHttp(tokens);
  const table: readonly Port[] = [
    { name: 'http', address: http, identify, serves: { pages } },
    ...(controlz
      ? [{ name: 'controlz' as const, address: controlz, identify, serves: { pages: controlZPages(scopes) } }]
      : []),
    ...(monitoring ? [{ name: 'monitoring' as const, address: monitoring, identify, serves: { pages } }] : []),
    ...(xds ? [{ name: 'xds' as const, address: xds, identify: overPlaintext, serves: { grpc: ads.methods } }] : []),
  ];
  const ports = await openPorts(table, {
    clock,
    ration,
    rightsOf: rights,
    pageRefused: (path, peer, problem) => log.warn({ path, peer, problem }, 'a page was refused'),
    pageFailed: (error, path) => log.error({ path, err: error }, 'a page failed'),
    boundMet(name, peer) {
      metrics.bounded(name);
      boundLog.met(name, peer);
    },
  });
  const probed = async (name: 'tls' | 'webhook', address: Address | undefined): Promise<Address | undefined> =>
    address &&
    probePort({ name, address }).catch(async (error: unknown) => {
      await ports.close();
      throw error;
    });
  const tls = await probed('tls', settings.tls);
  const webhook = await probed('webhook', injector && settings.webhook);
  const stop = async (): Promise<void> => {
    stopping.abort();
    rounds.stop();
    await ports.close();
    ads.close();
  };

  const running = sources.map(source => source.run(change => emit(change, source.name), stopping.signal).synced);
  const ready = Promise.all(running).then(async () => {
    if (stopping.signal.aborted) return;
    // Proxies that come back have keys: none is to lose them because a new process has not fetched them yet.
    remoteKeys.follow(intake.prepare().mesh.keyLocations);
    await Promise.all([remoteKeys.tried(), issuer?.tried()]);
    if (stopping.signal.aborted) return;
    whole = true;
    intake.begin();
  });
  ready.catch(() => undefined);
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  if (tls && secure && security) {
    const context = {
      address: tls,
      mesh: settings.mesh,
      revision: settings.revision,
      tlsHosts: settings.tlsHosts,
      state: secure,
      failed: fail,
      settings: () => world?.mesh.settings,
      tokens,
      methods: ads.methods,
      acknowledgements,
      clock,
      log: scopes.of('ca'),
      ports,
      webhook: injector && webhook && { address: webhook, pages: injector.pages },
      signal: stopping.signal,
    };
    // It is not waited for: until it is known pods are refused, and proxies are served.
    if (injector)
      void followInjector?.(injectorConfigMap(settings.revision), data => injector.heard(data), stopping.signal);
    // The settings of the mesh say what its trust domain is. The library of X.509 is for those who use it: it takes memory.
    const opening = ready.then(async () => {
      const { runSecurePort } = await import('./ports/secure-port.ts');
      const { WorkloadCertificates } = await import('./certificates/workload-certificates.ts');
      const line = new SigningLine();
      const ofWorkloads = new WorkloadCertificates<Proxy>({
        line,
        clock,
        log: scopes.of('ca'),
        life: settings.workloadCertTtl,
        otherRoots: () => (world ? otherRoots(world.mesh.settings) : ''),
      });
      certificates = ofWorkloads;
      await runSecurePort({ ...context, line, authorityChanged: authority => ofWorkloads.use(authority) }, security);
    });
    opening.catch((error: unknown) => log.error({ err: error }, 'the TLS port cannot be opened'));
  }

  return {
    xds: ports.reachedAt('xds'),
    http: ports.reachedAt('http'),
    tls: tls && secure ? reachedAt(tls) : '',
    ready,
    failed,
    world: () => world,
    stop,
  };
}
