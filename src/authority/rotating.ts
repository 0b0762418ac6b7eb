import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import { type KubeObject, type ObjectName, SECRETS } from '../kubernetes/object.ts';
import type { Permit, Writer } from '../kubernetes/writer.ts';
import { type Outstanding, outstanding, type Report } from '../security/acknowledgements.ts';
import { isSameAuthority } from '../security/authority.ts';
import { caSecret, caSecretData } from '../security/ca-secret.ts';
import { storedRoot, towards } from '../security/choice.ts';
import { makeRoot, rootAuthority } from '../security/root.ts';
import { begin, isDue, isOver, type Pace, proceed, type Rotation, stepId, stepOf } from '../security/rotation.ts';
import { type AuthorityInForce, rotationSecret, rotationSecretData } from '../security/rotation-secret.ts';
import { inBase64 } from '../security/secret-data.ts';
import { Bell, lookOut } from './bell.ts';
import type { Cluster } from './cluster.ts';
import type { Replicas } from './replicas.ts';
import { type AuthorityState, ROTATE, secretOf } from './secret-authority.ts';

/** Milliseconds in which the watch is to bring what was written. */
const WRITTEN = 10_000;

/** Milliseconds from one line of the log about the same step to the next. */
const SAY_AGAIN = 3_600_000;

/** Who holds a step up that would be over. */
export interface Holding extends Outstanding {
  /** In words. */
  readonly message: string;
}

/** What the leader's part of a rotation stands on. */
export interface RotatingContext {
  readonly cluster: Cluster;
  readonly replicas: Replicas;
  readonly pace: Pace;
  readonly trustDomain: () => string;
  /** What is in force, and what is wanted; undefined before there is anything. */
  readonly state: () => AuthorityState | undefined;
  /** Namespaces that do not have the roots in force yet; undefined while that is not known. */
  readonly owed: () => ReadonlySet<string> | undefined;
  /** Told who holds a step up, and that nobody does. */
  readonly holding: (holding: Holding | undefined) => void;
}

/** What the leader does to take the mesh from one authority to another: each step is written down before anybody takes it. */
export class Rotating {
  readonly #context: RotatingContext;
  readonly #every: number;
  /** The generation that was written last, and when. */
  #written = { generation: -1, at: 0 };
  /** Since when nobody has been waited for, at which step. */
  #quiet = { step: '', since: 0 };
  /** The step at whose beginning the reports of replicas that have ended were removed. */
  #tidied = '';
  /** When each replica was last heard of, by what it said. */
  readonly #heard = new Map<string, { readonly renewed: string; readonly at: number }>();
  #said = { step: '', at: 0 };
  /** Rung where there is something new to look at. */
  readonly bell = new Bell();

  /** `every` is in milliseconds, from one look to the next. */
  constructor(context: RotatingContext, every: number) {
    this.#context = context;
    this.#every = every;
  }

  /** Takes steps for as long as the term lasts. */
  async run(term: Permit): Promise<void> {
    const { cluster, holding } = this.#context;
    const writer = cluster.writer(term);
    const look = async (): Promise<number> => {
      await this.#look(writer, term.signal);
      return this.#every;
    };
    const failed = (error: unknown): void => {
      const what = 'the leader cannot read or write what it is to do about the roots of the mesh; it tries again';
      cluster.log.error({ err: error instanceof ApiError ? failureLine(error) : error }, what);
    };
    await lookOut({ bell: this.bell, look, again: this.#every, failed }, term);
    holding(undefined);
  }

  async #look(writer: Writer, signal: AbortSignal): Promise<void> {
    const { cluster, state } = this.#context;
    const now = cluster.clock.now();
    const current = state();
    // What cannot be read is not written either: it is somebody's to mend, or to delete.
    if (!current || current.isRotationBroken) return;
    const { inForce, wanted } = current;
    const isUnderWay = this.#written.generation > inForce.rotation.generation && now - this.#written.at < WRITTEN;
    if (isUnderWay) return;
    const target = towards(inForce, wanted, now);
    const next = target === inForce ? await this.#next(current, now, writer, signal) : target;
    await this.#storeRoot(next, current, writer);
    if (!current.storedStep || current.storedStep !== stepId(next.rotation)) await this.#store(next, writer);
    if (current.isRotationAsked && !current.found.cacerts)
      await writer.patch(SECRETS, this.#named(caSecret.name), { metadata: { annotations: { [ROTATE]: null } } });
  }

  /** The next step, if it is time for one. */
  async #next(
    { inForce, wanted, isRotationAsked }: AuthorityState,
    now: number,
    writer: Writer,
    signal: AbortSignal,
  ): Promise<AuthorityInForce> {
    const { trustDomain, pace, holding } = this.#context;
    const { rotation, source } = inForce;
    if (stepOf(rotation) === 'settled') {
      holding(undefined);
      await this.#forget(rotation, writer, signal);
      const isOurs = source === caSecret.name && wanted?.source === caSecret.name;
      if (!isOurs || !(isDue(rotation, now) || isRotationAsked)) return inForce;
      const root = rootAuthority(await makeRoot(trustDomain(), now));
      return { rotation: begin(rotation, root, now), source, isMade: true };
    }
    const waited = await this.#outstanding(rotation, now, writer, signal);
    this.#tell(rotation, waited, now);
    const step = stepId(rotation);
    if (waited.count || this.#quiet.step !== step) this.#quiet = { step, since: now };
    // A proxy that goes from one replica to another is connected to none for a moment, or to one that has not reported since.
    const isQuiet = now - this.#quiet.since >= 2 * this.#every;
    const next = proceed(rotation, waited.count || (isQuiet ? 0 : 1), now, pace);
    return next === rotation
      ? inForce
      : { rotation: next, source, isMade: inForce.isMade && stepOf(next) === 'distribute' };
  }

  /** Who is waited for: proxies, replicas that are not there yet or silent, and namespaces without the roots. */
  async #outstanding(rotation: Rotation, now: number, writer: Writer, signal: AbortSignal): Promise<Outstanding> {
    const { replicas, pace, owed } = this.#context;
    const reports = new Map<string, Report | undefined>();
    for (const [name, { report, ended, renewed }] of await replicas.all(signal)) {
      const heard = this.#heard.get(name);
      const at = heard?.renewed === renewed ? heard.at : now;
      this.#heard.set(name, { renewed, at });
      const silent = now - at;
      if (ended) {
        if (report.step === stepId(rotation)) reports.set(name, report);
        else await this.#remove(name, writer);
      } else if (silent > Math.max(pace.beforeSigning, 60_000)) await this.#remove(name, writer);
      else reports.set(name, silent > 4 * this.#every + 5_000 ? undefined : report);
    }
    const { count, names } = outstanding(stepId(rotation), reports);
    const namespaces = owed();
    if (!namespaces) return { count: count + 1, names: [...names, 'the namespaces, which are not listed yet'] };
    const spaces = [...namespaces].slice(0, 3).map(name => `the namespace ${name}`);
    return { count: count + namespaces.size, names: [...names, ...spaces] };
  }

  /** What replicas that have ended reported is of no use once a rotation is over. */
  async #forget(rotation: Rotation, writer: Writer, signal: AbortSignal): Promise<void> {
    if (this.#tidied === stepId(rotation)) return;
    for (const [name, { ended }] of await this.#context.replicas.all(signal))
      if (ended) await this.#remove(name, writer);
    this.#tidied = stepId(rotation);
  }

  async #remove(name: string, writer: Writer): Promise<void> {
    this.#heard.delete(name);
    await this.#context.replicas.forget(name, writer);
  }

  #tell(rotation: Rotation, waited: Outstanding, now: number): void {
    const { cluster, pace, holding } = this.#context;
    if (!waited.count || !isOver(rotation, now, pace)) {
      holding(undefined);
      return;
    }
    const minutes = Math.round((now - rotation.since) / 60_000);
    const what =
      stepOf(rotation) === 'distribute' ? 'the new root does not sign yet' : 'the old root is not taken away yet';
    const named = `${waited.names.join(', ')}${waited.count > waited.names.length ? ` and ${waited.count - waited.names.length} more` : ''}`;
    const message =
      `${what}, ${minutes} min after everybody was told: these have not been given a certificate since: ${named}. A proxy asks for one ` +
      'at half of its certificate’s life, or when its pod is restarted';
    holding({ ...waited, message });
    const step = stepId(rotation);
    if (this.#said.step === step && now - this.#said.at < SAY_AGAIN) return;
    this.#said = { step, at: now };
    cluster.log.warn({ waitedFor: waited.names, of: waited.count }, what);
  }

  async #storeRoot(next: AuthorityInForce, { found, wanted }: AuthorityState, writer: Writer): Promise<void> {
    const root = storedRoot(next);
    if (!root || found.cacerts) return;
    const data = caSecretData(root);
    if (!found.caSecret) await writer.create(SECRETS, secretOf(caSecret, this.#namespace, data));
    // Broken, it is left as it is.
    else if (wanted && !isSameAuthority(wanted.authority, root))
      await writer.update(SECRETS, this.#named(caSecret.name), secret => ({ ...secret, data: inBase64(data) }));
  }

  async #store(inForce: AuthorityInForce, writer: Writer): Promise<void> {
    const { clock, log } = this.#context.cluster;
    const { rotation } = inForce;
    const data = rotationSecretData(inForce);
    const changed = (found: KubeObject): KubeObject => ({ ...found, data: inBase64(data) });
    const secret = await writer.update(SECRETS, this.#named(rotationSecret.name), changed);
    if (!secret) await writer.create(SECRETS, secretOf(rotationSecret, this.#namespace, data));
    this.#written = { generation: rotation.generation, at: clock.now() };
    log.info(
      { step: stepOf(rotation), generation: rotation.generation },
      'a step of the rotation of roots was written down',
    );
  }

  get #namespace(): string {
    return this.#context.cluster.namespace;
  }

  #named(name: string): ObjectName {
    return { namespace: this.#namespace, name };
  }
}
