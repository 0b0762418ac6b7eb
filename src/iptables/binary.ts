import type { IpVersion } from './cidr.ts';
import { CaptureError, reason, run } from './process.ts';

/** The programs that change the rules of one family here. */
export interface Binary {
  /** `iptables-nft`; `-save` and `-restore` are its kin. */
  readonly name: string;
  /** Legacy waits for a lock that others may hold; nf_tables has none. */
  readonly legacy: boolean;
  /** `1.8.9` */
  readonly version: string;
  /** What its `-save` printed. */
  readonly saved: string;
}

/** A rule for a protocol that does not exist, there and gone in one step: it shows whether the kernel takes rules from a program. */
const probe = '* nat\n-A INPUT -p 255 -j RETURN\n-D INPUT -p 255 -j RETURN\nCOMMIT\n';

/** `--wait` for a program that has a lock to wait for. */
export const waiting = ({ legacy }: Pick<Binary, 'legacy'>): readonly string[] => (legacy ? ['--wait=30'] : []);

/** Why a program is not the one, or what it is. */
type Candidate = Binary | { readonly why: string };

async function saved(name: string): Promise<Candidate> {
  const dump = await run(`${name}-save`, []);
  if (dump.code !== 0) return { why: `${name}-save: ${dump.err}` };
  const about = await run(`${name}-save`, ['--version']);
  const version = /v(\d+(?:\.\d+)+)/.exec(about.out)?.[1];
  if (!version) return { why: `${name}-save --version: ${about.err || 'it says no version'}` };
  return { name, legacy: !about.out.includes('nf_tables'), version, saved: dump.out };
}

async function usable(candidate: Candidate): Promise<Candidate> {
  if ('why' in candidate) return candidate;
  const { name } = candidate;
  const { code, err } = await run(`${name}-restore`, ['--noflush', ...waiting(candidate)], probe);
  return code === 0 && !err.includes('does not exist') ? candidate : { why: `${name}-restore: ${err}` };
}

/** Whether rules are there: an empty rule set prints nothing. */
const hasRules = (candidate: Candidate): boolean => 'saved' in candidate && candidate.saved.split('\n').length > 3;

/**
 * Which programs are to be used, as Istio finds it: those of `forced`; else legacy ones where rules of theirs are there already, else nf_tables,
 * else what is plainly called iptables. Rules of both kinds beside each other confuse the kernel's users. Throws a CaptureError.
 */
export async function findBinary(version: IpVersion, forced: 'legacy' | 'nft' | undefined): Promise<Binary> {
  const plain = version === 4 ? 'iptables' : 'ip6tables';
  const tried: string[] = [];
  const found = async (candidate: Candidate): Promise<Binary | undefined> => {
    const outcome = await usable(candidate);
    if (!('why' in outcome)) return outcome;
    tried.push(outcome.why);
    return undefined;
  };
  const legacy = forced === 'nft' ? undefined : await saved(`${plain}-legacy`);
  const binary =
    (legacy && (forced || hasRules(legacy)) && (await found(legacy))) ||
    (forced !== 'legacy' && (await found(await saved(`${plain}-nft`)))) ||
    (!forced && (await found(await saved(plain)))) ||
    // Istio ends there; a kernel without nf_tables may still have the other.
    (!forced && legacy && !hasRules(legacy) && (await found(legacy)));
  if (binary) return binary;
  throw new CaptureError(`no usable ${plain}: ${reason(...tried)}`);
}
