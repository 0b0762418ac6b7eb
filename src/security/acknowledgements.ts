import { createHash } from 'node:crypto';
import { hostOf } from '../grpc/peer.ts';
import type { Caller } from './authenticate.ts';

/** What a replica says of the proxies that it serves at a step of a rotation. Proxies are told apart by eight characters each. */
export interface Report {
  /** See `stepId`. */
  readonly step: string;
  /** Who has what the step is about, whether or not it is connected here now. */
  readonly acknowledged: ReadonlySet<string>;
  /** Who is connected and has not, as far as this replica knows. */
  readonly waiting: ReadonlySet<string>;
  /** The names of some of those that wait, for people. */
  readonly names: ReadonlyMap<string, string>;
}

/** What a proof of identity is for, so that a proxy's streams and its requests for certificates are known to be the same one's: `address:port` is its peer. */
export const proxyOf = ({ identity, pod }: Caller, address: string): string =>
  pod ? `pod ${pod.uid}` : `${identity.uri} ${hostOf(address)}`;

/** So many are kept of each: more than connect to a replica. Who is forgotten acknowledges with its next certificate. */
const MOST = { acknowledged: 16_000, waiting: 10_000, names: 100, shown: 10 } as const;

/** As `POD.NAMESPACE` is at most. */
const LONGEST_NAME = 320;

/** 48 bits: of 20,000 proxies two are taken for one another once in a million meshes. */
const digestOf = (proxy: string): string =>
  createHash('sha256').update(proxy).digest().subarray(0, 6).toString('base64url');

/**
 * Who has acknowledged the present step of a rotation: that is, has been given both its roots and a certificate that is signed as it says.
 */
export class Acknowledgements {
  /** How often each proxy is connected, and its name. */
  readonly #connected = new Map<string, { count: number; readonly name: string }>();
  #step = '';
  readonly #acknowledged = new Map<string, string>();

  connected(proxy: string, name: string): void {
    const known = this.#connected.get(proxy);
    if (known) known.count++;
    else this.#connected.set(proxy, { count: 1, name: name.slice(0, LONGEST_NAME) });
  }

  disconnected(proxy: string): void {
    const known = this.#connected.get(proxy);
    if (known && --known.count === 0) this.#connected.delete(proxy);
  }

  /** The step that is in force from now on. */
  begin(step: string | undefined): void {
    if (step === undefined || step === this.#step) return;
    this.#step = step;
    this.#acknowledged.clear();
  }

  /** A proxy has been given what a step is about. */
  acknowledge(proxy: string, step: string | undefined): void {
    if (step !== this.#step) return;
    this.#acknowledged.set(proxy, digestOf(proxy));
    if (this.#acknowledged.size <= MOST.acknowledged) return;
    const [oldest = ''] = this.#acknowledged.keys();
    this.#acknowledged.delete(oldest);
  }

  report(): Report {
    const waiting = new Set<string>();
    const names = new Map<string, string>();
    for (const [proxy, { name }] of this.#connected) {
      if (this.#acknowledged.has(proxy)) continue;
      if (waiting.size >= MOST.waiting) break;
      const digest = digestOf(proxy);
      waiting.add(digest);
      if (names.size < MOST.names) names.set(digest, name);
    }
    return { step: this.#step, acknowledged: new Set(this.#acknowledged.values()), waiting, names };
  }
}

/** Who is waited for by all replicas together, and why not all of them can tell. */
export interface Outstanding {
  readonly count: number;
  readonly names: readonly string[];
}

/** Who has acknowledged a step to no replica, though it is connected to one. A replica that has not come to the step is waited for itself. */
export function outstanding(step: string, replicas: ReadonlyMap<string, Report | undefined>): Outstanding {
  const here = [...replicas].filter(([, report]) => report?.step === step);
  const late = [...replicas.keys()].filter(name => replicas.get(name)?.step !== step);
  const acknowledged = new Set(here.flatMap(([, report]) => [...(report?.acknowledged ?? [])]));
  const waiting = new Set<string>();
  const names = late.map(name => `the replica ${name}`);
  for (const [, report] of here) {
    for (const proxy of report?.waiting ?? []) {
      if (acknowledged.has(proxy)) continue;
      waiting.add(proxy);
      names.push(...[report?.names.get(proxy) ?? []].flat());
    }
  }
  return { count: waiting.size + late.length, names: [...new Set(names)].slice(0, MOST.shown) };
}
