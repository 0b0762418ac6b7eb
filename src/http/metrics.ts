import { collectDefaultMetrics } from 'prom-client';
import type { BoundName } from '../bounds.ts';
import type { KindCounts } from '../config/kind-table.ts';
import type { Kind } from '../config/kinds.ts';
import type { Restart } from '../injection/restarts.ts';
import type { Lane } from '../rounds/rounds.ts';
import { pushOrder, resourceTypes, type XdsType } from '../xds/resource-types.ts';
import { type AuthorityReading, authorityMetrics } from './authority-metrics.ts';
import { CertificateMetrics } from './certificate-metrics.ts';
import { InjectionMetrics } from './injection-metrics.ts';
import { Instruments } from './instruments.ts';
import { objectMetrics } from './object-metrics.ts';

/** A type by its short name, as Istio's dashboards have it. */
const shortName = (type: XdsType): string => resourceTypes[type].shortName;

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
  readonly authority: () => AuthorityReading;
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
  readonly #instruments = new Instruments();
  readonly injection: InjectionMetrics;
  readonly certificates = new CertificateMetrics(this.#instruments);
  readonly #rejects = this.#instruments.counter(
    'pilot_total_xds_rejects',
    'Responses that proxies rejected, by type',
    'type',
  );
  readonly #configSize = this.#instruments.distribution(
    'pilot_xds_config_size_bytes',
    'Size of the responses sent',
    [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
    'type',
  );
  readonly #convergence = this.#instruments.distribution(
    'pilot_proxy_convergence_time',
    'Seconds from a change until a proxy has acknowledged what it is owed for it',
    [0.1, 0.5, 1, 3, 5, 10, 20, 30],
  );
  readonly #pushTime = this.#instruments.distribution(
    'pilot_xds_push_time',
    'Seconds from a change until a response for it was handed to the socket',
    SECONDS,
    'type',
  );
  readonly #changeToAck = this.#instruments.distribution(
    'pilotlight_change_ack_seconds',
    "Seconds from a change's arrival to each proxy's ACK, by the kind of object that changed",
    SECONDS,
    'kind',
  );
  readonly #build = this.#instruments.histogram(
    'pilot_pushcontext_init_seconds',
    'Seconds that it takes to build the mesh from its objects',
    SECONDS,
  );
  readonly #triggers = this.#instruments.counter('pilot_push_triggers', 'Pushes, by what they were for', 'type');
  readonly #internalErrors = this.#instruments.counter(
    'pilot_total_xds_internal_errors',
    'Faults of this program that a proxy met: the log has each',
  );
  readonly #bounds = this.#instruments.counter(
    'pilotlight_bounds_met_total',
    'How often a peer met a bound; `serve --help` lists them',
    'bound',
  );
  readonly #rounds = this.#instruments.counter(
    'pilotlight_push_rounds_total',
    'Rounds of pushes; changes that come close together share one',
    'lane',
  );
  readonly #roundChanges = this.#instruments.counter(
    'pilotlight_push_round_changes_total',
    'Changes that rounds were begun for',
    'lane',
  );
  readonly #roundDelay = this.#instruments.histogram(
    'pilotlight_push_round_delay_seconds',
    'Seconds that the first change of a round waited for it',
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    'lane',
  );
  readonly #keysFetched = this.#instruments.counter(
    'pilot_jwks_resolver_network_fetch_success_total',
    'Documents with keys of RequestAuthentications, or with where they are, that were fetched',
  );
  readonly #keysNotFetched = this.#instruments.counter(
    'pilot_jwks_resolver_network_fetch_fail_total',
    'Attempts to fetch such a document that failed',
  );

  constructor(version: string, readings: Readings) {
    const instruments = this.#instruments;
    // How late the event loop is shows at a tenth of a second too, and a timer that fires more often costs more than all else when nothing happens.
    collectDefaultMetrics({ register: instruments.registry, eventLoopMonitoringPrecision: 100 });
    const is = 'The version of this control plane';
    instruments.readEach('pilot_info', is, ['version'], () => [[{ version }, 1]]);
    instruments.readEach('istio_build', is, ['component', 'tag'], () => [[{ component: 'pilot', tag: version }, 1]]);
    instruments.read('pilot_services', 'Services known to the control plane', readings.services);
    instruments.read('pilot_virt_services', 'VirtualServices known to the control plane', readings.virtualServices);
    instruments.read(
      'pilotlight_problems',
      "Problems in the mesh's objects; /debug/problems lists them",
      readings.problems,
    );
    instruments.readEach('pilot_xds', 'Proxies connected to this control plane, by their version', ['version'], () =>
      [...readings.connections()].map(([proxy, count]) => [{ version: proxy }, count]),
    );
    instruments.readEach(
      'pilotlight_watch_up',
      'Whether the watch of a kind is up to date (1) or keeps its last state (0)',
      ['kind'],
      () => [...readings.watches()].map(([kind, up]) => [{ kind }, up ? 1 : 0]),
    );
    instruments.countEach('pilot_xds_pushes', 'Responses sent, by type', ['type'], () =>
      pushOrder.flatMap(type => {
        const count = this.#configSize.counts.get(resourceTypes[type].typeUrl);
        return count === undefined ? [] : [[{ type: shortName(type) }, count] as const];
      }),
    );
    authorityMetrics(instruments, readings.authority);
    objectMetrics(instruments, readings.objects);
    this.injection = new InjectionMetrics(instruments, readings.restarts);
    for (const type of pushOrder) this.#rejects.inc({ type: shortName(type) }, 0);
    for (const type of ['config', 'endpoint', 'service']) this.#triggers.inc({ type }, 0);
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
    // istiod names the type by its URL in this one.
    this.#configSize.observe(bytes, resourceTypes[type].typeUrl);
    if (seconds !== undefined) this.#pushTime.observe(seconds, shortName(type));
  }

  rejected(type: XdsType): void {
    this.#rejects.inc({ type: shortName(type) });
  }

  acknowledged(kind: string, seconds: number): void {
    this.#convergence.observe(seconds);
    this.#changeToAck.observe(seconds, kind);
  }

  /** The page in Prometheus' text format. */
  async page(): Promise<{ readonly type: string; readonly body: string }> {
    const { registry } = this.#instruments;
    return { type: registry.contentType, body: await registry.metrics() };
  }
}
