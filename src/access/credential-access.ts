import { type Clock, runAt } from '../clock.ts';
import type { Problem } from '../config/problem.ts';
import { type NamedObject, placesOf } from '../istio/credentials.ts';
import { memo } from '../memo.ts';
import type { Proxy } from '../model/proxy/proxy.ts';
import type { Access, SecretAccess } from '../security/secret-access.ts';
import type { ServiceAccountName } from '../security/service-account-token.ts';
import type { WantedCredential } from '../translate/secrets/secrets.ts';
import type { CredentialLevel } from '../world.ts';
import type { Stream } from '../xds/handler.ts';
import type { CredentialRight } from './caller.ts';

type Wanted = readonly WantedCredential[];

/** How long the objects of a credential are followed after the last stream that had it, in milliseconds: most come back. */
const LINGER = 60_000;

export interface CredentialAccessContext {
  /** Whether service accounts may list Secrets. */
  readonly access: SecretAccess;
  readonly clock: Clock;
  /** These are all objects that streams may be sent something of. */
  readonly follow: (objects: readonly NamedObject[]) => void;
}

/** The stream of a proxy, which can be looked at again. */
type Touched = Pick<Stream<Proxy>, 'client' | 'touch'>;

/** A service account whose proxies want private keys. */
interface Account {
  readonly proxies: Set<Proxy>;
  /** Undefined until it is known. */
  access: Access | undefined;
  cancel: () => void;
}

const NO_PROBLEMS: readonly Problem[] = [];

const refused = memo((wanted: Wanted, reason: string, all: boolean): readonly Problem[] =>
  wanted
    .filter(({ audience }) => all || audience === 'readers')
    .flatMap(({ uses }) => uses)
    .map(({ object, path }) => ({ object, path, message: reason, severity: 'error' })),
);

/**
 * Which credentials each stream is given. What its service account may is asked when it first wants a private key, and again whenever the answer's
 * time is over; nobody waits for that: an answer that comes later has the stream looked at again. Secrets and ConfigMaps are followed while
 * there is a stream that may be sent what is in them.
 */
export class CredentialAccess {
  readonly #context: CredentialAccessContext;
  readonly #rights = new WeakMap<Proxy, CredentialRight>();
  readonly #streams = new Map<Proxy, Touched>();
  readonly #accounts = new Map<string, Account>();
  /** What each proxy may be sent, and how many proxies may be sent the same. */
  readonly #sendable = new Map<Proxy, Wanted>();
  readonly #followed = new Map<Wanted, number>();
  #lingering: (() => void) | undefined;

  constructor(context: CredentialAccessContext) {
    this.#context = context;
  }

  /** A proxy was let in, with that right. */
  admit(proxy: Proxy, right: CredentialRight): void {
    this.#rights.set(proxy, right);
  }

  /** Its stream has begun. */
  opened(stream: Touched): void {
    this.#streams.set(stream.client, stream);
  }

  /** Its stream is over. */
  closed({ client: proxy }: Touched): void {
    this.#streams.delete(proxy);
    const right = this.#rights.get(proxy);
    this.#rights.delete(proxy);
    this.#send(proxy, NOTHING);
    if (right?.kind !== 'account') return;
    const key = keyOf(right.account);
    const account = this.#accounts.get(key);
    if (!account?.proxies.delete(proxy) || account.proxies.size) return;
    account.cancel();
    this.#accounts.delete(key);
  }

  /** Which of the credentials that it wants a proxy is given now. */
  level(proxy: Proxy, wanted: Wanted): CredentialLevel {
    const level = this.#levelOf(proxy, wanted);
    this.#send(proxy, level === 'none' ? NOTHING : level === 'readers' ? wanted : ofNamespace(wanted));
    return level;
  }

  /** Why a proxy is not given what it wants; the same list while it is the same. Empty where that is still to be found out. */
  refusals(proxy: Proxy, wanted: Wanted): readonly Problem[] {
    // Most want none.
    if (!wanted.length) return NO_PROBLEMS;
    const right = this.#rights.get(proxy);
    if (!right || right.kind === 'all') return NO_PROBLEMS;
    if (right.kind === 'none') return refused(wanted, right.reason, true);
    const { namespace, name } = right.account;
    if (namespace !== proxy.namespace) return refused(wanted, OTHER_NAMESPACE, true);
    const access = this.#accounts.get(keyOf(right.account))?.access;
    if (!access || access.allowed) return NO_PROBLEMS;
    const why = `the service account ${namespace}/${name} may not list Secrets in ${namespace}, so its proxies get no private keys`;
    return refused(wanted, access.reason ? `${why} (${access.reason})` : why, false);
  }

  /** What a proxy may have but does not, since there is nothing to send: `why` knows of an object that is not there, and not of one that is. */
  missing(proxy: Proxy, why: (object: NamedObject) => string | undefined): readonly Problem[] {
    return (this.#sendable.get(proxy) ?? []).flatMap(({ credential, uses }) => {
      const reasons = placesOf(credential).map(why);
      const found = reasons.some(reason => reason === undefined);
      const message = reasons.join('; ');
      return found ? [] : uses.map(({ object, path }) => ({ object, path, message, severity: 'error' as const }));
    });
  }

  #levelOf(proxy: Proxy, wanted: Wanted): CredentialLevel {
    const right = this.#rights.get(proxy);
    if (!right || right.kind === 'none') return 'none';
    if (right.kind === 'all') return 'readers';
    if (right.account.namespace !== proxy.namespace) return 'none';
    // Of accounts whose proxies want no private key nobody asks what they may.
    if (!wanted.some(({ audience }) => audience === 'readers')) return 'namespace';
    const key = keyOf(right.account);
    const known = this.#accounts.get(key);
    if (known) known.proxies.add(proxy);
    else {
      const account: Account = { proxies: new Set([proxy]), access: undefined, cancel: () => {} };
      this.#accounts.set(key, account);
      void this.#ask(key, account, right.account);
    }
    return known?.access?.allowed ? 'readers' : 'namespace';
  }

  async #ask(key: string, account: Account, name: ServiceAccountName): Promise<void> {
    const { access, clock } = this.#context;
    const answer = await access.mayListSecrets(name);
    if (this.#accounts.get(key) !== account) return;
    const before = account.access;
    account.access = answer;
    account.cancel = runAt(clock, answer.until, () => void this.#ask(key, account, name));
    if (before?.allowed === answer.allowed && before.reason === answer.reason) return;
    for (const proxy of account.proxies) this.#streams.get(proxy)?.touch([]);
  }

  /** A proxy may be sent this from now on. */
  #send(proxy: Proxy, wanted: Wanted): void {
    const before = this.#sendable.get(proxy) ?? NOTHING;
    if (before === wanted) return;
    if (wanted.length) this.#sendable.set(proxy, wanted);
    else this.#sendable.delete(proxy);
    if (before.length) this.#count(before, -1);
    if (wanted.length && this.#count(wanted, 1) === 1) this.#follow();
  }

  #count(wanted: Wanted, by: number): number {
    const known = this.#followed.get(wanted);
    const count = (known ?? 0) + by;
    this.#followed.set(wanted, count);
    if (count === 0) this.#lingering ??= this.#context.clock.after(LINGER, () => this.#forget());
    return known === undefined ? count : 0;
  }

  #forget(): void {
    this.#lingering = undefined;
    for (const [wanted, count] of this.#followed) if (count === 0) this.#followed.delete(wanted);
    this.#follow();
  }

  #follow(): void {
    const objects = new Map<string, NamedObject>();
    for (const wanted of this.#followed.keys())
      for (const { credential } of wanted)
        for (const place of placesOf(credential)) objects.set(`${place.kind}/${place.namespace}/${place.name}`, place);
    this.#context.follow([...objects.values()]);
  }
}

const NOTHING: Wanted = [];
const keyOf = ({ namespace, name }: ServiceAccountName): string => `${namespace}/${name}`;
const OTHER_NAMESPACE = 'the proxy has proved to be of another namespace than it says';

const ofNamespace = memo((wanted: Wanted): Wanted => wanted.filter(({ audience }) => audience === 'namespace'));
