import { type Problem, problemLine } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import type { Resource } from '../kubernetes/object.ts';
import { untilAborted } from '../kubernetes/writer.ts';
import { objectKey } from '../object-key.ts';
import { caSecret, caSecretData, readCaSecret } from '../security/ca-secret.ts';
import { cacertsSecret, readCacerts } from '../security/cacerts.ts';
import { chooseAuthority, type WantedAuthority } from '../security/choice.ts';
import type { SecretData } from '../security/fault.ts';
import { makeRoot, rootAuthority } from '../security/root.ts';
import { stepId } from '../security/rotation.ts';
import { type AuthorityInForce, readRotationSecret, rotationSecret } from '../security/rotation-secret.ts';
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

const SECRETS: Resource = { apiVersion: 'v1', plural: 'secrets' };

/** Milliseconds until a root that could not be written is tried again. */
const AGAIN = 10_000;

const secretData = (secret: RawObject): SecretData =>
  Object.fromEntries(
    Object.entries((secret['data'] ?? {}) as Readonly<Record<string, string>>).map(([field, text]) => [
      field,
      Buffer.from(text, 'base64'),
    ]),
  );

const mountedRoots = (configMap: RawObject | undefined): string =>
  (configMap?.['data'] as Readonly<Record<string, string>> | undefined)?.[rootCertificates.field] ?? '';

/**
 * Follows the authority of a mesh: in the Secrets `cacerts` and `istio-ca-secret`, which is made where there is neither, and in what the leader
 * has written down. It is heard of the first time once all have been looked up. What is wrong with a Secret is told and logged, and leaves the
 * last good one in force; where there is none yet nothing is in force, and nothing is made beside it.
 */
export async function followSecrets(
  { follow, writer, namespace, clock, log }: Cluster,
  trustDomain: () => string,
  heard: StateHeard,
  signal: AbortSignal,
): Promise<void> {
  let found: Found = { cacerts: undefined, caSecret: undefined, rotation: undefined, roots: undefined };
  /** What was wrong when last looked at, as it was said. */
  let said: ReadonlySet<string> = new Set();
  let unwritten: string | undefined;
  let faults: readonly Problem[] = [];
  let inForce: AuthorityInForce | undefined;
  let writing = false;
  let looked = false;

  /** Says what is wrong, each once, and again only if it has been mended meanwhile. */
  const tell = (): void => {
    const object = objectKey('Secret', namespace, caSecret.name);
    const problems: readonly Problem[] =
      unwritten === undefined ? faults : [...faults, { object, path: '', message: unwritten, severity: 'error' }];
    const lines = new Map(problems.map(problem => [problemLine(problem), problem.severity]));
    for (const [problem, severity] of lines)
      if (!said.has(problem)) log[severity === 'error' ? 'error' : 'warn']({ problem }, 'a problem');
    said = new Set(lines.keys());
    heard.problems(problems);
  };

  /** Makes the root of a mesh that has none. Any replica may: what is there already is never overwritten. */
  const make = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    try {
      const root = rootAuthority(await makeRoot(trustDomain(), clock.now()));
      const data = Object.entries(caSecretData(root)).map(
        ([field, bytes]) => [field, Buffer.from(bytes).toString('base64')] as const,
      );
      const metadata = { name: caSecret.name, namespace };
      const object = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata,
        type: caSecret.type,
        data: Object.fromEntries(data),
      };
      await writer(untilAborted(signal)).create(SECRETS, object);
      unwritten = undefined;
      tell();
      log.info({ secret: `${namespace}/${caSecret.name}` }, 'the root of the mesh was written');
    } catch (error) {
      const isThere = error instanceof ApiError && error.reason === 'AlreadyExists';
      if (!isThere && !signal.aborted) {
        unwritten = `the root of the mesh cannot be written: ${failureLine(error)}`;
        tell();
        clock.after(AGAIN, choose);
      }
    } finally {
      writing = false;
    }
  };

  const choose = (): void => {
    if (!looked || signal.aborted) return;
    const now = clock.now();
    const rotation = found.rotation && readRotationSecret(secretData(found.rotation), now);
    const choice = chooseAuthority(
      {
        cacerts: found.cacerts && readCacerts(secretData(found.cacerts), now),
        caSecret: found.caSecret && readCaSecret(secretData(found.caSecret), now),
        rotation,
        mounted: mountedRoots(found.roots),
      },
      inForce,
      now,
    );
    if (choice.do === 'make') return void make();
    const isRotationAsked = found.caSecret?.metadata.annotations?.[ROTATE] !== undefined;
    const secretProblem = (secret: string, path: string, message: string, severity: Problem['severity']): Problem => ({
      object: objectKey('Secret', namespace, secret),
      path,
      message,
      severity,
    });
    const inVain = `another root is asked for, but the mesh has that of ${cacertsSecret}: replace it there`;
    faults = [
      ...choice.faults.map(({ secret, field, message, severity }) => secretProblem(secret, field, message, severity)),
      ...(isRotationAsked && found.cacerts
        ? [secretProblem(caSecret.name, `metadata.annotations["${ROTATE}"]`, inVain, 'warning')]
        : []),
    ];
    if (found.caSecret) unwritten = undefined;
    tell();
    if (choice.do === 'refuse') return;
    inForce = choice.inForce;
    const stored = rotation?.ok ? stepId(rotation.value.rotation) : undefined;
    heard.state({
      inForce,
      wanted: choice.wanted,
      found,
      storedStep: stored === stepId(inForce.rotation) ? stored : undefined,
      isRotationBroken: rotation !== undefined && !rotation.ok,
      isRotationAsked,
    });
  };

  const following = (part: keyof Found, kind: 'Secret' | 'ConfigMap', name: string): Promise<void> => {
    const told = (object: RawObject | undefined): void => {
      found = { ...found, [part]: object };
      choose();
    };
    return follow(
      `${kind}/${namespace}/${name} of the CA`,
      {
        kind,
        group: '',
        versions: ['v1'],
        plural: `${kind.toLowerCase()}s`,
        namespace,
        fieldSelector: `metadata.name=${name}`,
      },
      { listed: ([object]) => told(object), changed: told, gone: () => told(undefined) },
      signal,
    );
  };
  await Promise.all([
    following('cacerts', 'Secret', cacertsSecret),
    following('caSecret', 'Secret', caSecret.name),
    following('rotation', 'Secret', rotationSecret.name),
    following('roots', 'ConfigMap', rootCertificates.name),
  ]);
  looked = true;
  choose();
}
