import type { ApiClient } from '../kubernetes/api-client.ts';
import { collectionOf, type KubeObject, LEASES, microTime } from '../kubernetes/object.ts';
import { untilAborted, type Writer } from '../kubernetes/writer.ts';
import type { Acknowledgements, Report } from '../security/acknowledgements.ts';
import { Bell, lookOut } from './bell.ts';
import type { Cluster } from './cluster.ts';

/** Finds the Leases in which replicas report. */
const LABEL = { 'pilotlight.io/ca-report': 'true' };
const annotation = {
  step: 'pilotlight.io/ca-step',
  acknowledged: 'pilotlight.io/ca-acknowledged',
  waiting: 'pilotlight.io/ca-waiting',
  names: 'pilotlight.io/ca-waiting-names',
} as const;

/** Milliseconds from one report to the next where nothing is under way. */
const CALM = 60_000;

/** A digest of a proxy in a report. */
const DIGEST = 8;

/** What a replica has reported. */
export interface ReplicaReport {
  readonly report: Report;
  /** It has ended, and what it reported is all that it will. */
  readonly ended: boolean;
  /** Another at each report. */
  readonly renewed: string;
}

/** Nobody waits for anybody where nothing is under way. */
const nobody = { acknowledged: new Set<string>(), waiting: new Set<string>(), names: new Map<string, string>() };

const texts = ({ step, acknowledged, waiting, names }: Report): Readonly<Record<string, string>> => ({
  [annotation.step]: step,
  [annotation.acknowledged]: [...acknowledged].join(''),
  [annotation.waiting]: [...waiting].join(''),
  [annotation.names]: [...names].map(pair => pair.join('=')).join(),
});

const digests = (text = ''): ReadonlySet<string> => new Set(text.match(new RegExp(`.{${DIGEST}}`, 'g')));

function reportOf({ metadata: { annotations = {} } }: KubeObject): Report {
  return {
    step: annotations[annotation.step] ?? '',
    acknowledged: digests(annotations[annotation.acknowledged]),
    waiting: digests(annotations[annotation.waiting]),
    names: new Map(
      (annotations[annotation.names] ?? '')
        .split(',')
        .map(pair => [pair.slice(0, DIGEST), pair.slice(DIGEST + 1)] as const),
    ),
  };
}

/** This replica's reports to the leader, in a Lease of its own: proxies ask any replica for a certificate, and have their stream at another. */
export class Replicas {
  readonly #cluster: Cluster;
  readonly #client: Pick<ApiClient, 'json'>;
  /** The name of this replica's Lease. */
  readonly #name: string;
  readonly #every: number;
  /** Rung where there is something new to report. */
  readonly bell = new Bell();

  /** `every` is in milliseconds, from one report to the next while a rotation is under way. */
  constructor(cluster: Cluster, client: Pick<ApiClient, 'json'>, replica: string, every: number) {
    this.#cluster = cluster;
    this.#client = client;
    this.#name = `pilotlight-ca-${replica}`.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
    this.#every = every;
  }

  /** Reports until `signal` aborts; then that this replica has ended. */
  async run(acknowledgements: Acknowledgements, isRotating: () => boolean, signal: AbortSignal): Promise<void> {
    const report = (): Report => ({ ...acknowledgements.report(), ...(!isRotating() && nobody) });
    const { log, writer } = this.#cluster;
    const permit = untilAborted(signal);
    const own = writer(permit);
    const look = async (): Promise<number> => {
      await this.#write(own, report(), this.#name);
      return isRotating() ? this.#every : CALM;
    };
    const failed = (err: unknown): void => log.warn({ err }, 'what proxies have acknowledged cannot be reported');
    await lookOut({ bell: this.bell, look, again: this.#every, failed }, permit);
    // What it was told stays true of the proxies, which go to other replicas now.
    const last = writer(untilAborted(AbortSignal.timeout(2_000)));
    await this.#write(last, { ...report(), waiting: nobody.waiting, names: nobody.names }, '').catch(() => undefined);
  }

  /** What all replicas have reported last, by their Leases. */
  async all(signal: AbortSignal): Promise<ReadonlyMap<string, ReplicaReport>> {
    const labelSelector = Object.entries(LABEL)
      .map(pair => pair.join('='))
      .join();
    const path = collectionOf(LEASES, this.#cluster.namespace);
    const { items = [] } = (await this.#client.json(path, { query: { labelSelector }, signal })) as {
      readonly items?: readonly KubeObject[];
    };
    return new Map(
      items.map(lease => {
        const { holderIdentity = '', renewTime = '' } = (lease['spec'] ?? {}) as Readonly<Record<string, string>>;
        return [lease.metadata.name, { report: reportOf(lease), ended: !holderIdentity, renewed: renewTime }] as const;
      }),
    );
  }

  /** Removes what a replica reported. */
  async forget(name: string, writer: Writer): Promise<void> {
    await writer.delete(LEASES, { namespace: this.#cluster.namespace, name });
  }

  #write(writer: Writer, report: Report, holderIdentity: string): Promise<KubeObject> {
    const { namespace } = this.#cluster;
    const metadata = { name: this.#name, namespace, labels: LABEL, annotations: texts(report) };
    const spec = { holderIdentity, leaseDurationSeconds: CALM / 1_000, renewTime: microTime() };
    return writer.apply(LEASES, { apiVersion: LEASES.apiVersion, kind: 'Lease', metadata, spec });
  }
}
