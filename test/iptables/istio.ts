import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Combination, MachineKind } from './combinations.ts';
import { nameserversOf } from './ours.ts';

const execute = promisify(execFile);

/** Istio's own agent, where the lab has built it. */
export const pilotAgent = join(process.env['LAB_CACHE'] ?? join(homedir(), '.cache/mesh-lab'), 'bin/pilot-agent');

const addressesOf: Readonly<Record<MachineKind, readonly string[]>> = {
  ipv4: ['10.244.0.9/24'],
  ipv6: ['fd00::9/64'],
  dual: ['10.244.0.9/24', 'fd00::9/64'],
};

/** Asks Istio's `istio-iptables --dry-run`, in a network namespace for each kind of machine. Needs root. */
export class Istio {
  readonly #tag = `pilotlight-asked-${process.pid}`;

  static async start(): Promise<Istio> {
    const istio = new Istio();
    for (const machine of ['ipv4', 'ipv6', 'dual'] as const) await istio.#make(machine);
    return istio;
  }

  /** What it would give to iptables-restore: IPv4, then IPv6. */
  async rules({ machine, args, env }: Combination): Promise<string> {
    const { stdout } = await execute(
      'ip',
      ['netns', 'exec', this.#name(machine), pilotAgent, 'istio-iptables', '-n', ...args],
      {
        env: { PATH: process.env['PATH'], ...env },
      },
    );
    const inputs = [...stdout.matchAll(/the following input:\n([\s\S]*?)\n(?=\d{4}-\d\d-\d\dT)/g)];
    return inputs.map(([, text]) => `${text}\n`).join('');
  }

  /** What a program prints on a machine of that kind; its link is up, and the other end's is not. */
  async on(machine: MachineKind, program: readonly string[]): Promise<string> {
    return (await execute('ip', ['netns', 'exec', this.#name(machine), ...program])).stdout;
  }

  async stop(): Promise<void> {
    for (const machine of ['ipv4', 'ipv6', 'dual'] as const) {
      await execute('ip', ['netns', 'del', this.#name(machine)]);
      rmSync(`/etc/netns/${this.#name(machine)}`, { recursive: true, force: true });
    }
  }

  #name(machine: MachineKind): string {
    return `${this.#tag}-${machine}`;
  }

  async #make(machine: MachineKind): Promise<void> {
    const name = this.#name(machine);
    mkdirSync(`/etc/netns/${name}`, { recursive: true });
    const servers = nameserversOf(machine).map(server => `nameserver ${server}\n`);
    writeFileSync(`/etc/netns/${name}/resolv.conf`, servers.join(''));
    await execute('ip', ['netns', 'add', name]);
    await execute('ip', ['-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other']);
    await execute('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
    for (const address of addressesOf[machine])
      await execute('ip', [
        '-n',
        name,
        'addr',
        'add',
        address,
        'dev',
        'eth0',
        ...(address.includes(':') ? ['nodad'] : []),
      ]);
  }
}
