import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { BoundName } from '../bounds.ts';
import type { KindCounts } from '../config/kind-table.ts';
import type { Kind } from '../config/kinds.ts';
import type { Restart } from '../injection/restarts.ts';
import type { Lane } from '../rounds/rounds.ts';
import type { CertificateLife } from '../security/certificate-life.ts';
import type { RotationStep } from '../security/rotation.ts';
import type { XdsType } from '../xds/resource-types.ts';
import { Distribution } from './distribution.ts';
import { InjectionMetrics } from './injection-metrics.ts';
import { objectMetrics } from './object-metrics.ts';

/** Istio's short names of xDS types, as its dashboards have them. */
const SHORT_NAMES: Readonly<Record<XdsType, string>> = {
  cluster: 'cds',
  endpoint: 'eds',
  listener: 'lds',
  route: 'rds',
  secret: 'sds',
  extension: 'ecds',
  nameTable: 'nds',
  trustBundle: 'pcds',
};

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30];

/** istiod's names of what pushes are for, by the kind that changed. */
const TRIGGERS: Readonly<Record<string, string>> = {
  Endpoints: 'endpoint',
  EndpointSlice: 'endpoint',
  Pod: 'endpoint',
  Service: 'service',
  Secret: 'secret',
  Namespace: 'namespace',
  MeshConfig: 'global',
};

/** Numbers that are read when the page is asked for. */
export interface Readings {
  readonly connections: () => ReadonlyMap<string, number>;
  readonly objects: () => ReadonlyMap<Kind, KindCounts>;
  readonly services: () => number;
  readonly virtualServices: () => number;
  readonly problems: () => number;
  /** The certificates that the mesh hangs on, where there is an authority. */
  readonly authority: () => {
    readonly lives: readonly CertificateLife[];
    /** In seconds since 1970. */
    readonly chainExpiry: number | undefined;
    readonly rotation: { readonly step: RotationStep; readonly waitedFor: number } | undefined;
  };
  /** Pods that would have another sidecar if they were made now; undefined where that is not known. */
  readonly restarts: () => readonly Restart[] | undefined;
  /** 1 for each watch that is up to date, 0 for each that keeps an old state. */
  readonly watches: () => ReadonlyMap<string, boolean>;
}

/**
 * What the control plane counts. Names are istiod's where the meaning is the same, so that Istio's dashboards work; `pilotlight_` names are
 * our own.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly injection: InjectionMetrics;
  readonly #rejects: Counter<'type'>;
  readonly #configSize: Distribution;
  readonly #convergence: Distribution;
  readonly #changeToAck: Distribution;
  readonly #triggers: Counter<'type'>;
  readonly #internalErrors: Counter;
  readonly #pushTime: Distribution;
  readonly #build: Histogram;
  readonly #bounds: Counter<'bound'>;
  readonly #rounds: Counter<'lane'>;
  readonly #roundChanges: Counter<'lane'>;
  readonly #roundDelay: Histogram<'lane'>;
  readonly #keysFetched: Counter;
  readonly #keysNotFetched: Counter;

  constructor(version: string, readings: Readings) {
    const register = this.#registry;
    const registers = [register];
    this.injection = new InjectionMetrics(register, readings.restarts);
    // How late the event loop is shows at a tenth of a second too, and a timer that fires more often costs more than all else when nothing happens.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    new Gauge({
      name: 'pilot_info',
      help: 'The version of this control plane',
      labelNames: ['version'],
      registers,
    }).set({ version }, 1);
    this.#gauge('pilot_services', 'Services known to the control plane', readings.services);
    this.#gauge('pilot_virt_services', 'VirtualServices known to the control plane', readings.virtualServices);
    this.#gauge('pilotlight_problems', "Problems in the mesh's objects; /debug/problems lists them", readings.problems);
    new Gauge({
      name: 'pilot_xds',
      help: 'Proxies connected to this control plane, by their version',
      labelNames: ['version'],
      registers,
      collect() {
        this.reset();
        for (const [proxy, count] of readings.connections()) this.set({ version: proxy }, count);
      },
    });
    new Gauge({
      name: 'pilotlight_watch_up',
      help: 'Whether the watch of a kind is up to date (1) or keeps its last state (0)',
      labelNames: ['kind'],
      registers,
      collect() {
        this.reset();
        for (const [kind, up] of readings.watches()) this.set({ kind }, up ? 1 : 0);
      },
    });
    this.#authority(readings.authority);
    const configSize = new Distribution({
      name: 'pilot_xds_config_size_bytes',
      help: 'Size of the responses sent',
      label: 'type',
      buckets: [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
      register,
    });
    this.#configSize = configSize;
    new Counter({
      name: 'pilot_xds_pushes',
      help: 'Responses sent, by type',
      labelNames: ['type'],
      registers,
      collect() {
        this.reset();
        for (const [type, count] of configSize.counts) this.inc({ type }, count);
      },
    });
    this.#rejects = new Counter({
      name: 'pilot_total_xds_rejects',
      help: 'Responses that proxies rejected, by type',
      labelNames: ['type'],
      registers,
    });
    for (const type of Object.values(SHORT_NAMES)) this.#rejects.inc({ type }, 0);
    this.#convergence = new Distribution({
      name: 'pilot_proxy_convergence_time',
      help: 'Seconds from a change until a proxy has acknowledged what it is owed for it',
      buckets: [0.1, 0.5, 1, 3, 5, 10, 20, 30],
      register,
    });
    this.#pushTime = new Distribution({
      name: 'pilot_xds_push_time',
      help: 'Seconds from a change until a response for it was handed to the socket',
      label: 'type',
      buckets: SECONDS,
      register,
    });
    this.#build = new Histogram({
      name: 'pilot_pushcontext_init_seconds',
      help: 'Seconds that it takes to build the mesh from its objects',
      buckets: SECONDS,
      registers,
    });
    this.#changeToAck = new Distribution({
      name: 'pilotlight_change_ack_seconds',
      help: "Seconds from a change's arrival to each proxy's ACK, by the kind of object that changed",
      label: 'kind',
      buckets: SECONDS,
      register,
    });
    this.#bounds = new Counter({
      name: 'pilotlight_bounds_met_total',
      help: 'How often a peer met a bound; `serve --help` lists them',
      labelNames: ['bound'],
      registers,
    });
    this.#rounds = new Counter({
      name: 'pilotlight_push_rounds_total',
      help: 'Rounds of pushes; changes that come close together share one',
      labelNames: ['lane'],
      registers,
    });
    this.#roundChanges = new Counter({
      name: 'pilotlight_push_round_changes_total',
      help: 'Changes that rounds were begun for',
      labelNames: ['lane'],
      registers,
    });
    this.#roundDelay = new Histogram({
      name: 'pilotlight_push_round_delay_seconds',
      help: 'Seconds that the first change of a round waited for it',
      labelNames: ['lane'],
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers,
    });
    this.#keysFetched = new Counter({
      name: 'pilot_jwks_resolver_network_fetch_success_total',
      help: 'Documents with keys of RequestAuthentications, or with where they are, that were fetched',
      registers,
    });
    this.#keysNotFetched = new Counter({
      name: 'pilot_jwks_resolver_network_fetch_fail_total',
      help: 'Attempts to fetch such a document that failed',
      registers,
    });
    objectMetrics(register, readings.objects);
    this.#triggers = new Counter({
      name: 'pilot_push_triggers',
      help: 'Pushes, by what they were for',
      labelNames: ['type'],
      registers,
    });
    for (const type of ['config', 'endpoint', 'service']) this.#triggers.inc({ type }, 0);
    this.#internalErrors = new Counter({
      name: 'pilot_total_xds_internal_errors',
      help: 'Faults of this program that a proxy met: the log has each',
      registers,
    });
    new Gauge({
      name: 'istio_build',
      help: 'The version of this control plane',
      labelNames: ['component', 'tag'],
      registers,
    }).set({ component: 'pilot', tag: version }, 1);
  }

  /** The ends of certificates by istiod's names: of the root that signs or vouches for who does, and of all that vouches for leaves. */
  #authority(read: Readings['authority']): void {
    const registers = [this.#registry];
    const now = (): number => Date.now() / 1_000;
    const root = (): number | undefined => read().lives.findLast(({ role }) => role === 'root')?.expiry;
    for (const [name, what, expiry] of [
      ['citadel_server_root_cert_expiry', 'the root certificate', root],
      [
        'citadel_server_cert_chain_expiry',
        'the first of the certificates that vouch for leaves',
        () => read().chainExpiry,
      ],
    ] as const)
      for (const [unit, help, from] of [
        ['timestamp', 'When it ends, in seconds since 1970', () => 0],
        ['seconds', 'Seconds until it ends, negative once it has', now],
      ] as const)
        new Gauge({
          name: `${name}_${unit}`,
          help: `${help}: ${what}`,
          registers,
          collect() {
            const at = expiry();
            if (at === undefined) this.remove();
            else this.set(at - from());
          },
        });
    new Gauge({
      name: 'pilotlight_certificate_expiry_timestamp',
      help: 'When a certificate ends that the mesh hangs on, in seconds since 1970: every root that is trusted, who signs below one, and that of the TLS port',
      labelNames: ['role', 'serial'],
      registers,
      collect() {
        this.reset();
        for (const { role, serialNumber, expiry } of read().lives) this.set({ role, serial: serialNumber }, expiry);
      },
    });
    new Gauge({
      name: 'pilotlight_root_rotation',
      help: 'The step of the rotation of roots: 1 for the one that the mesh is in',
      labelNames: ['step'],
      registers,
      collect() {
        this.reset();
        const { rotation } = read();
        for (const step of ['settled', 'distribute', 'sign'] as const)
          if (rotation) this.set({ step }, rotation.step === step ? 1 : 0);
      },
    });
    this.#gauge(
      'pilotlight_root_rotation_waiting',
      'Proxies, replicas and namespaces that hold up a step of the rotation whose time is over; the leader alone counts them',
      () => read().rotation?.waitedFor ?? 0,
    );
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A fault of this program was met while a proxy was served. */
  failed(): void {
    this.#internalErrors.inc();
  }

  /** A document with keys was fetched, or was not. */
  keysFetched(ok: boolean): void {
    (ok ? this.#keysFetched : this.#keysNotFetched).inc();
  }

  bounded(bound: BoundName): void {
    this.#bounds.inc({ bound });
  }

  /** A round of pushes for so many changes, of which the first waited for `delay` seconds. */
  round(lane: Lane, changes: number, delay: number): void {
    this.#rounds.inc({ lane });
    this.#roundChanges.inc({ lane }, changes);
    this.#roundDelay.observe({ lane }, delay);
  }

  /** A world was built for these changes. */
  built(seconds: number, causes: readonly { readonly kind: string }[]): void {
    this.#build.observe(seconds);
    for (const type of new Set(causes.map(({ kind }) => TRIGGERS[kind] ?? 'config'))) this.#triggers.inc({ type });
  }

  sent(type: XdsType, bytes: number, seconds: number | undefined): void {
    const label = SHORT_NAMES[type];
    this.#configSize.observe(bytes, label);
    if (seconds !== undefined) this.#pushTime.observe(seconds, label);
  }

  rejected(type: XdsType): void {
    this.#rejects.inc({ type: SHORT_NAMES[type] });
  }

  acknowledged(kind: string, seconds: number): void {
    this.#convergence.observe(seconds);
    this.#changeToAck.observe(seconds, kind);
  }

  /** The page in Prometheus' text format. */
  async page(): Promise<{ readonly type: string; readonly body: string }> {
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
