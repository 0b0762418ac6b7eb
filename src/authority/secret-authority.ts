import { type Problem, problemLine } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import type { Resource } from '../kubernetes/object.ts';
import { untilAborted } from '../kubernetes/writer.ts';
import { objectKey } from '../object-key.ts';
import { type CertificateAuthority, isSameAuthority } from '../security/authority.ts';
import { caSecret, caSecretData, readCaSecret } from '../security/ca-secret.ts';
import { cacertsSecret, readCacerts } from '../security/cacerts.ts';
import { type AuthorityInForce, chooseAuthority } from '../security/choice.ts';
import type { SecretData } from '../security/fault.ts';
import { makeRoot, rootAuthority } from '../security/root.ts';
import { authorityOf, type Rotation, settled } from '../security/rotation.ts';
import type { Cluster } from './cluster.ts';

/** Who hears of the authority of a mesh. */
export interface AuthorityHeard {
  /** Each that is in force. */
  inForce(authority: CertificateAuthority): void;
  /** All that is wrong with what it is kept in. */
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

/**
 * Follows the authority of a mesh in the Secrets `cacerts` and `istio-ca-secret`, which is made where there is neither. Each that is in
 * force is heard of, the first time once both have been looked up. What is wrong with a Secret is told and logged, and leaves the last good one in
 * force; where there is none yet nothing is in force, and nothing is made beside it.
 */
export async function followAuthority(
  { follow, writer, namespace, clock, log }: Cluster,
  trustDomain: () => string,
  heard: AuthorityHeard,
  signal: AbortSignal,
): Promise<void> {
  const found: { cacerts: RawObject | undefined; caSecret: RawObject | undefined } = {
    cacerts: undefined,
    caSecret: undefined,
  };
  /** What was wrong when last looked at, as it was said. */
  let said: ReadonlySet<string> = new Set();
  let unwritten: string | undefined;
  let faults: readonly Problem[] = [];
  let inForce: AuthorityInForce | undefined;
  let current: CertificateAuthority | undefined;
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

  const write = async (rotation: () => Promise<Rotation>): Promise<void> => {
    if (writing) return;
    writing = true;
    try {
      const data = Object.entries(caSecretData(await rotation())).map(
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
    const choice = chooseAuthority(
      {
        cacerts: found.cacerts && readCacerts(secretData(found.cacerts), now),
        caSecret: found.caSecret && readCaSecret(secretData(found.caSecret), now),
      },
      inForce,
      now,
    );
    if (choice.do === 'make') {
      void write(async () => settled(rootAuthority(await makeRoot(trustDomain(), clock.now())), clock.now()));
      return;
    }
    faults = choice.faults.map(({ secret, field, message, severity }) => ({
      object: objectKey('Secret', namespace, secret),
      path: field,
      message,
      severity,
    }));
    if (found.caSecret) unwritten = undefined;
    tell();
    if (choice.do === 'refuse') return;
    const { rotation } = choice.inForce;
    inForce = choice.inForce;
    if (choice.do === 'restore') void write(async () => rotation);
    const authority = authorityOf(rotation);
    if (current && isSameAuthority(current, authority)) return;
    current = authority;
    heard.inForce(authority);
  };

  const following = (secret: keyof typeof found, name: string): Promise<void> => {
    const told = (object: RawObject | undefined): void => {
      found[secret] = object;
      choose();
    };
    return follow(
      `Secret/${namespace}/${name} of the CA`,
      {
        kind: 'Secret',
        group: '',
        versions: ['v1'],
        plural: 'secrets',
        namespace,
        fieldSelector: `metadata.name=${name}`,
      },
      { listed: ([object]) => told(object), changed: told, gone: () => told(undefined) },
      signal,
    );
  };
  await Promise.all([following('cacerts', cacertsSecret), following('caSecret', caSecret.name)]);
  looked = true;
  choose();
}
