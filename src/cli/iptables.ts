import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type Arguments, type Io, UsageError } from '../command.ts';
import { apply, checkVersions, cleanUp } from '../iptables/apply.ts';
import { accountsHere, nameserversIn, ownAddresses } from '../iptables/host.ts';
import { CaptureError } from '../iptables/process.ts';
import { restoreText } from '../iptables/rule.ts';
import { rulesOf } from '../iptables/rules.ts';
import { validate } from '../iptables/validation.ts';
import { iptablesSettings } from './iptables-settings.ts';
import { osError } from './os-error.ts';

/** What Kubernetes and Istio take for: the pod's traffic is not captured. */
const VALIDATION_FAILED = 126;

function nameservers(): readonly string[] {
  try {
    return nameserversIn(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch (error) {
    throw osError('/etc/resolv.conf', error);
  }
}

/** Runs the same command in another network namespace. */
function within(namespace: string, ownLock: boolean): Promise<number> {
  if (!existsSync(namespace)) throw new UsageError(`--network-namespace: ${namespace}: there is no such file`);
  const env = { ...process.env, ...(ownLock && { XTABLES_LOCKFILE: namespace }) };
  const again = [process.execPath, ...process.argv.slice(1), '--network-namespace='];
  const child = spawn('nsenter', [`--net=${namespace}`, '--', ...again], { stdio: 'inherit', env });
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new CaptureError(`nsenter: ${error.message}`)));
    child.once('close', code => resolve(code ?? 1));
  });
}

/** `pilotlight iptables` */
export async function run(args: Arguments, io: Io): Promise<number> {
  const settings = iptablesSettings(args, {
    addresses: await ownAddresses(),
    nameservers,
    users: accountsHere().users,
    env: process.env,
  });
  const { capture, versions, dryRun, cleanupOnly, skipRuleApply, validation } = settings;
  const tell = (line: string): void => io.err(`pilotlight iptables: ${line}\n`);
  const namespace = args.options['network-namespace'];
  try {
    // Which families there are is to be seen there, also to print rules.
    if (namespace) return await within(namespace, args.flags.has('cni-mode'));
    settings.warnings.forEach(tell);
    if (!skipRuleApply) {
      if (!dryRun) io.out(await (cleanupOnly ? cleanUp : apply)(capture, settings, tell));
      else if (!cleanupOnly) {
        checkVersions(settings);
        for (const version of versions) io.out(restoreText(rulesOf(capture, version)));
      }
    }
    if (!validation || dryRun) return 0;
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    tell(error.message);
    return 1;
  }
  try {
    for (const version of versions) await validate(capture, version, validation);
    tell('validated: a connection was captured');
    return 0;
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    tell(error.message);
    return VALIDATION_FAILED;
  }
}
