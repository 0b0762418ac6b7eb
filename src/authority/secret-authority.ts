import { type Problem, problemLine } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import { failureLine } from '../kubernetes/api-error.ts';
import { type KubeObject, SECRETS } from '../kubernetes/object.ts';
import { untilAborted } from '../kubernetes/writer.ts';
import { objectKey } from '../object-key.ts';
import { caSecret, caSecretData, readCaSecret } from '../security/ca-secret.ts';
import { cacertsSecret, readCacerts } from '../security/cacerts.ts';
import { chooseAuthority, type WantedAuthority } from '../security/choice.ts';
import { makeRoot, rootAuthority } from '../security/root.ts';
import { stepId } from '../security/rotation.ts';
import { type AuthorityInForce, readRotationSecret, rotationSecret } from '../security/rotation-secret.ts';
import { fromBase64, inBase64, type SecretData } from '../security/secret-data.ts';
import type { Cluster } from './cluster.ts';
import { rootCertificates } from './root-certificates.ts';

/** On `istio-ca-secret`: another root is asked for. The leader makes one and takes the annotation away. */
export const ROTATE = 'pilotlight.io/rotate-root';

/** The Secrets of the system namespace; undefined where there is none. */
interface Found {
  readonly cacerts: RawObject | undefined;
  readonly caSecret: RawObject | undefined;
  readonly rotation: RawObject | undefined;
  /** The ConfigMap of the roots that pods of the system namespace mount. */
  readonly roots: RawObject | undefined;
}

/** What is in force, and what a leader has to know besides. */
export interface AuthorityState {
  readonly inForce: AuthorityInForce;
  /** What the mesh is to have in the end; undefined where the Secret that says so is broken or gone. */
  readonly wanted: WantedAuthority | undefined;
  readonly found: Found;
  /** The step that is written down; undefined where there is none, or it is older than what is in force. */
  readonly storedStep: string | undefined;
  readonly isRotationBroken: boolean;
  /** Somebody asks for another root. */
  readonly isRotationAsked: boolean;
}

/** Who hears of the authority's Secrets. */
export interface StateHeard {
  state(state: AuthorityState): void;
  /** All that is wrong with them. */
  problems(problems: readonly Problem[]): void;
}

/** Milliseconds until a root that could not be written is tried again. */
const AGAIN = 10_000;

const dataOf = (object: RawObject | undefined): Readonly<Record<string, string>> =>
  (object?.['data'] ?? {}) as Readonly<Record<string, string>>;

/** A Secret as it is made. */
export const secretOf = (
  { name, type }: { readonly name: string; readonly type: string },
  namespace: string,
  data: SecretData,
): KubeObject => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type, data: inBase64(data) });

/**
 * Follows the authority of a mesh: in the Secrets `cacerts` and `istio-ca-secret`, which is made where there is neither, and in what the leader
 * has written down. It is heard of the first time once all have been looked up. What is wrong with a Secret is told and logged, and leaves the
 * last good one in force; where there is none yet nothing is in force, and nothing is made beside it.
 */
export class SecretAuthority {
  readonly #cluster: Cluster;
  readonly #trustDomain: () => string;
  readonly #heard: StateHeard;
  readonly #signal: AbortSignal;
  #found: Found = { cacerts: undefined, caSecret: undefined, rotation: undefined, roots: undefined };
  /** What was wrong when last looked at, as it was said. */
  #said: ReadonlySet<string> = new Set();
  #unwritten: string | undefined;
  #faults: readonly Problem[] = [];
  #inForce: AuthorityInForce | undefined;
  #writing = false;
  #looked = false;

  constructor(cluster: Cluster, trustDomain: () => string, heard: StateHeard, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#trustDomain = trustDomain;
    this.#heard = heard;
    this.#signal = signal;
  }

  /** Follows it until the signal aborts. Resolves once all has been looked up. */
  async follow(): Promise<void> {
    await Promise.all([
      this.#follow('cacerts', 'Secret', cacertsSecret),
      this.#follow('caSecret', 'Secret', caSecret.name),
      this.#follow('rotation', 'Secret', rotationSecret.name),
      this.#follow('roots', 'ConfigMap', rootCertificates.name),
    ]);
    this.#looked = true;
    this.#choose();
  }

  #follow(part: keyof Found, kind: 'Secret' | 'ConfigMap', name: string): Promise<void> {
    const { follow, namespace } = this.#cluster;
    const told = (object: RawObject | undefined): void => {
      this.#found = { ...this.#found, [part]: object };
      this.#choose();
    };
    const collection = { kind, group: '', versions: ['v1'], plural: `${kind.toLowerCase()}s`, namespace };
    return follow(
      `${kind}/${namespace}/${name} of the CA`,
      { ...collection, fieldSelector: `metadata.name=${name}` },
      { listed: ([object]) => told(object), changed: told, gone: () => told(undefined) },
      this.#signal,
    );
  }

  #choose(): void {
    if (!this.#looked || this.#signal.aborted) return;
    const now = this.#cluster.clock.now();
    const { cacerts, caSecret: root, rotation: stored, roots } = this.#found;
    const rotation = stored && readRotationSecret(fromBase64(dataOf(stored)), now);
    const choice = chooseAuthority(
      {
        cacerts: cacerts && readCacerts(fromBase64(dataOf(cacerts)), now),
        caSecret: root && readCaSecret(fromBase64(dataOf(root)), now),
        rotation,
        mounted: dataOf(roots)[rootCertificates.field] ?? '',
      },
      this.#inForce,
      now,
    );
    if (choice.do === 'make') {
      void this.#make();
      return;
    }
    const isRotationAsked = root?.metadata.annotations?.[ROTATE] !== undefined;
    const inVain = `another root is asked for, but the mesh has that of ${cacertsSecret}: replace it there`;
    this.#faults = [
      ...choice.faults.map(({ secret, field, message, severity }) => this.#problem(secret, field, message, severity)),
      ...(isRotationAsked && cacerts
        ? [this.#problem(caSecret.name, `metadata.annotations["${ROTATE}"]`, inVain, 'warning')]
        : []),
    ];
    if (root) this.#unwritten = undefined;
    this.#tell();
    if (choice.do === 'refuse') return;
    this.#inForce = choice.inForce;
    const step = rotation?.ok ? stepId(rotation.value.rotation) : undefined;
    this.#heard.state({
      inForce: choice.inForce,
      wanted: choice.wanted,
      found: this.#found,
      storedStep: step === stepId(choice.inForce.rotation) ? step : undefined,
      isRotationBroken: rotation !== undefined && !rotation.ok,
      isRotationAsked,
    });
  }

  /** Makes the root of a mesh that has none. Any replica may: what is there already is never overwritten. */
  async #make(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    const { clock, log, namespace, writer } = this.#cluster;
    try {
      const root = rootAuthority(await makeRoot(this.#trustDomain(), clock.now()));
      const secret = secretOf(caSecret, namespace, caSecretData(root));
      if (!(await writer(untilAborted(this.#signal)).create(SECRETS, secret))) return;
      this.#unwritten = undefined;
      this.#tell();
      log.info({ secret: `${namespace}/${caSecret.name}` }, 'the root of the mesh was written');
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#unwritten = `the root of the mesh cannot be written: ${failureLine(error)}`;
      this.#tell();
      clock.after(AGAIN, () => this.#choose());
    } finally {
      this.#writing = false;
    }
  }

  #problem(secret: string, path: string, message: string, severity: Problem['severity']): Problem {
    return { object: objectKey('Secret', this.#cluster.namespace, secret), path, message, severity };
  }

  /** Says what is wrong, each once, and again only if it has been mended meanwhile. */
  #tell(): void {
    const { log } = this.#cluster;
    const unwritten = this.#unwritten;
    const problems =
      unwritten === undefined ? this.#faults : [...this.#faults, this.#problem(caSecret.name, '', unwritten, 'error')];
    const lines = new Map(problems.map(problem => [problemLine(problem), problem.severity]));
    for (const [problem, severity] of lines)
      if (!this.#said.has(problem)) log[severity === 'error' ? 'error' : 'warn']({ problem }, 'a problem');
    this.#said = new Set(lines.keys());
    this.#heard.problems(problems);
  }
}
