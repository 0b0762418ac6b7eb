import { type Clock, systemClock } from './clock.ts';
import { kindOf } from './config/kinds.ts';
import { type ConfigChange, ConfigStore } from './config/store.ts';
import { debugPages } from './http/debug.ts';
import { Metrics } from './http/metrics.ts';
import { readiness } from './http/ready.ts';
import { startHttp } from './http/server.ts';
import type { Log } from './log.ts';
import type { Proxy } from './model/proxy.ts';
import { ProblemLog } from './problem-log.ts';
import { proxyHandler } from './proxy-handler.ts';
import type { Address, Settings } from './settings.ts';
import type { ConfigSource } from './sources/source.ts';
import { VERSION } from './version.ts';
import { World } from './world.ts';
import { AdsServer } from './xds/ads-server.ts';
import type { Cause } from './xds/handler.ts';

/** How the watches of a source are doing, where it has any. */
export interface WatchState {
  readonly name: string;
  readonly state: 'listing' | 'watching' | 'absent' | 'failing';
  readonly lastError?: string;
}

/** What a control plane is made of besides its settings. */
export interface Dependencies {
  readonly sources: readonly ConfigSource[];
  readonly log: Log;
  readonly clock?: Clock;
  readonly watches?: () => readonly WatchState[];
  /** Called with every world that is served, before proxies are looked at. */
  readonly onWorld?: (world: World) => void;
}

/** A running control plane. */
export interface ControlPlane {
  /** Where proxies connect, and where the pages are: `host:port`. */
  readonly xds: string;
  readonly http: string;
  /** Resolves once every kind has been listed and proxies are served. */
  readonly ready: Promise<void>;
  /** The world that is served now; undefined before it is whole. */
  world(): World | undefined;
  stop(): Promise<void>;
}

const listenOn = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

const kindOfChange = (change: ConfigChange): string => {
  switch (change.op) {
    case 'upsert':
      return kindOf(change.object) ?? change.object.kind;
    case 'problems':
      return 'File';
    default:
      return change.kind;
  }
};

/**
 * Starts a control plane. Its line: a source's change goes into the store; the world is built anew from what the store holds; every stream
 * is looked at and sent what it is owed by now. Nothing waits for a timer: the first change is pushed at once, what arrives while it is
 * goes with the next push.
 */
export async function startControlPlane(settings: Settings, dependencies: Dependencies): Promise<ControlPlane> {
  const { sources, log, clock = systemClock, watches = () => [], onWorld = () => {} } = dependencies;
  const store = new ConfigStore();
  const stopping = new AbortController();
  let world: World | undefined;
  let whole = false;
  let causes: Cause[] = [];
  let building = false;

  const build = (): void => {
    building = false;
    if (!whole || stopping.signal.aborted) return;
    const from = causes;
    causes = [];
    const began = performance.now();
    const first = !world;
    world = new World(store.contents(), settings.mesh, world);
    metrics.built((performance.now() - began) / 1000);
    problems.ofMesh(world.problems);
    onWorld(world);
    if (first) prepare(world);
    ads.push(from);
  };

  const prepare = (first: World): void => {
    try {
      first.prepare();
    } catch (error) {
      log.error({ err: error }, 'nothing could be made ahead of the first proxy');
    }
  };

  const schedule = (): void => {
    if (building || !whole) return;
    building = true;
    // Events that the same read from a socket or disk brought are one change.
    setImmediate(build);
  };

  const emit = (change: ConfigChange): void => {
    if (!store.apply(change)) return;
    const kind = kindOfChange(change);
    metrics.changed(kind);
    causes.push({ kind, at: clock.now() });
    schedule();
  };

  const metrics = new Metrics(VERSION, {
    connections: () => {
      const counts = new Map<string, number>();
      for (const { client } of ads.connections) {
        const version = client.class.istioVersion || `envoy ${client.class.build.version.join('.')}`;
        counts.set(version, (counts.get(version) ?? 0) + 1);
      }
      return counts;
    },
    services: () => world?.mesh.services.length ?? 0,
    virtualServices: () => store.contents().VirtualService.size,
    problems: () => world?.problems.length ?? 0,
    watches: () =>
      new Map(watches().map(watch => [watch.name, watch.state === 'watching' || watch.state === 'absent'])),
  });

  const problems = new ProblemLog(log);
  const { plaintextSecrets } = settings;
  const handler = proxyHandler({ world: () => world, plaintextSecrets, clock, log, problems, metrics });
  const ads = new AdsServer<Proxy>(handler, { clock, identifier: `pilotlight ${VERSION}` });
  const pages = {
    '/ready': readiness(() => ({ whole, connections: ads.connectionCount, watches: watches() })),
    '/metrics': { help: 'What is counted, for Prometheus', page: () => metrics.page() },
    ...debugPages({ ads, world: () => world }),
  };
  const http = await startHttp(settings.http, pages, (error, path) => log.error({ path, err: error }, 'a page failed'));
  const port = await ads.listen(listenOn(settings.xds));

  const running = sources.map(source => source.run(emit, stopping.signal).synced);
  const ready = Promise.all(running).then(() => {
    whole = true;
    build();
  });
  ready.catch(() => undefined);

  return {
    xds: `${settings.xds.host === '0.0.0.0' ? 'localhost' : settings.xds.host}:${port}`,
    http: http.address,
    ready,
    world: () => world,
    async stop() {
      stopping.abort();
      await Promise.all([ads.stop(), http.stop()]);
    },
  };
}
