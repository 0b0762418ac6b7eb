import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { until } from '../support/until.ts';
import type { LabCluster } from './lab-cluster.ts';
import { normalJson, normalText, TWIN, type Words } from './normal-form.ts';
import {
  asPrinted,
  type Cells,
  formatTranscript,
  type Printer,
  parseTranscript,
  printedBy,
  type Row,
  record,
  type Transcript,
  type Typed,
} from './transcript.ts';

/** Published walkthroughs of Istio, each a folder of test/system/walkthroughs: what is typed, with what it prints, and the objects that it needs. */
export const WALKTHROUGHS = ['sidecar', 'bookinfo', 'weights'] as const;
export type Walkthrough = (typeof WALKTHROUGHS)[number];

const folderOf = (name: Walkthrough): string => join(import.meta.dirname, 'walkthroughs', name);
const fileOf = (name: Walkthrough): string => join(folderOf(name), 'transcript.txt');

export const transcriptText = (name: Walkthrough): string => readFileSync(fileOf(name), 'utf8');
export const readTranscript = (name: Walkthrough): Transcript => parseTranscript(transcriptText(name));

/** What changes what proxies are sent. */
const OBJECTS = [
  ...['gateways', 'virtualservices', 'destinationrules', 'serviceentries', 'sidecars', 'envoyfilters'].map(
    kind => `${kind}.networking.istio.io`,
  ),
  ...['authorizationpolicies', 'peerauthentications', 'telemetries'],
].join();

/** Istio's own ingress and egress gateway, as its demo profile has them, with the lab's images. */
const GATEWAYS = [
  'istioctl manifest generate --set profile=demo --set components.base.enabled=false --set components.pilot.enabled=false',
  '--set hub=docker.io/istio --set tag=lab',
  '--manifests "$("$CLUSTER_HOME/istio-source.sh")/manifests"',
].join(' ');

interface Listed {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly clusterIP?: string };
    readonly status: { readonly podIP?: string };
  }[];
}

interface Placed {
  readonly name: string;
  readonly namespace: string;
  readonly deployment: string;
}

/** The Deployment of a pod. */
const deploymentOf = (pod: string): string => pod.replace(/-[a-z0-9]+-[a-z0-9]{5}$/, '');

/** Types what a transcript says on a cluster, as one of its printers. */
export class Walker {
  readonly #cluster: LabCluster;
  readonly #printers: readonly Printer[];
  #words: Words = { addresses: new Map(), pods: new Map() };
  #pods: readonly Placed[] = [];

  /** Ours have both kinds of sidecars, two printers; istiod has one. */
  constructor(cluster: LabCluster, printers: readonly Printer[] = ['a', 'e']) {
    this.#cluster = cluster;
    this.#printers = printers;
  }

  /** Takes away what is in the mesh, so that nothing is printed but what a walkthrough makes. */
  async clear(): Promise<void> {
    const here = import.meta.dirname;
    const { items } = await this.#cluster.get<Listed>('namespaces');
    const namespaces = items
      .map(({ metadata }) => metadata.name)
      .filter(name => !/^(default|istio-system|kube-.*)$/.test(name));
    if (namespaces.length > 0) await this.#cluster.kubectl('delete', 'namespaces', '--wait=false', ...namespaces);
    for (const name of namespaces)
      await this.#cluster.kubectl('delete', 'pods', '--all', '-n', name, '--grace-period=1', '--wait=false');
    for (const step of [
      `kubectl delete deployments,jobs,${OBJECTS} --all -n default`,
      `kubectl delete services -n default -l '!provider'`,
      `kubectl delete ${OBJECTS} --all -n istio-system`,
      `kubectl delete deployments,services -n istio-system -l 'app!=istiod'`,
    ])
      await this.#cluster.type(step, here);
    for (const name of namespaces) await this.#cluster.wait('--for=delete', `namespace/${name}`);
  }

  /** Has the pods of all walkthroughs made at once, which takes longer than all that is typed, and Istio's own two gateways. */
  async makePods(): Promise<void> {
    const here = import.meta.dirname;
    await this.#cluster.type(`${GATEWAYS} | kubectl apply -f -`, here);
    for (const name of WALKTHROUGHS) {
      const pods = readFileSync(join(folderOf(name), 'pods.yaml'), 'utf8');
      // istiod has one kind of sidecar.
      const own = this.#printers.includes('i')
        ? pods.replaceAll(/annotations: \{inject[^}]*\}/g, 'annotations: {}')
        : pods;
      await this.#cluster.type(`kubectl apply -f - << 'END'\n${own}\nEND`, here);
    }
    await this.#cluster.wait('--for=condition=Available', 'deployments', '--all', '-A');
  }

  /** Types all of a walkthrough; fails where something else is printed than the transcript has. `UPDATE_GOLDEN` has it written instead. */
  async walk(name: Walkthrough): Promise<number> {
    const transcript = readTranscript(name);
    await this.#learn();
    const parts: (string | Typed)[] = [];
    for (const batch of batches(transcript.parts))
      parts.push(...(await Promise.all(batch.map(part => this.#take(part, folderOf(name))))));
    if (process.env['UPDATE_GOLDEN']) writeFileSync(fileOf(name), formatTranscript({ ...transcript, parts }));
    return parts.filter(part => typeof part !== 'string').length;
  }

  /** Types a line, and again until it prints what is expected: what was changed takes its time to be where it is looked at. */
  async #take(part: string | Typed, folder: string): Promise<string | Typed> {
    if (typeof part === 'string') return part;
    const { command, rows } = part;
    if (!rows) {
      await this.#cluster.type(this.#spoken(command, 'a'), folder);
      await this.#learn();
      return part;
    }
    const ask = async () => {
      const printed = await this.#ask(command, rows, folder);
      return { printed, now: printed.map(({ cells }) => asPrinted(cells)) };
    };
    const expected = this.#printers.map(printer => printedBy(rows, printer));
    if (!process.env['UPDATE_GOLDEN']) {
      await until(`$ ${command}`, async () => {
        assert.deepEqual((await ask()).now, expected);
        return true;
      });
      return part;
    }
    let last: unknown;
    for (;;) {
      const { printed, now } = await ask();
      if (isDeepStrictEqual(now, expected)) return part;
      if (isDeepStrictEqual(now, last))
        return { ...part, rows: printed.reduce((kept, { printer, cells }) => record(kept, printer, cells), rows) };
      last = now;
      await sleep(1_500);
    }
  }

  /** What each printer prints. Where the same is typed for all of them it is typed once. */
  async #ask(
    command: string,
    rows: readonly Row[],
    folder: string,
  ): Promise<readonly { readonly printer: Printer; readonly cells: readonly Cells[] }[]> {
    const said = new Map<string, Promise<string>>();
    const paths = new Set(rows.map(({ cells }) => cells[0]));
    return Promise.all(
      this.#printers.map(async printer => {
        const spoken = this.#spoken(command, printer);
        const saying = said.get(spoken) ?? this.#cluster.type(spoken, folder).catch(String);
        said.set(spoken, saying);
        const text = await saying;
        if (/^\s*[[{]/.test(text))
          return { printer, cells: normalJson(text, this.#words).filter(([path]) => paths.has(path)) };
        const own = text.split('\n').filter(line => !this.#isOfTwin(line, printer));
        return { printer, cells: normalText(own.join('\n'), this.#words) };
      }),
    );
  }

  /** Whether a line is about pods with the other kind of sidecar than the printer's. */
  #isOfTwin(line: string, printer: Printer): boolean {
    const named = this.#pods.filter(({ name }) => line.includes(name));
    const isOther = ({ deployment, namespace }: Placed): boolean =>
      printer === 'e' ? this.#find(`${deployment}${TWIN}`, namespace) !== undefined : deployment.endsWith(TWIN);
    return named.some(isOther);
  }

  /** A command with the names and addresses of now in the place of the stable words. */
  #spoken(command: string, printer: Printer): string {
    const namespace = / -n (\S+)/.exec(command)?.[1] ?? 'default';
    return command
      .replaceAll(/([a-z0-9-]+)-HASH(?:\.([a-z-]+))?/g, (_, deployment: string, other?: string) => {
        const at = other ?? namespace;
        const twin = printer === 'e' ? this.#find(`${deployment}${TWIN}`, at) : undefined;
        const { name } = twin ?? this.#find(deployment, at) ?? assert.fail(`no pod of ${deployment} in ${at}`);
        return other ? `${name}.${other}` : name;
      })
      .replaceAll(/svc\/[a-z-]+\.[a-z-]+/g, word => {
        const found = [...this.#words.addresses].find(([, name]) => name === word);
        return found?.[0] ?? assert.fail(`no address of ${word}`);
      });
  }

  /** Who is who by now. */
  async #learn(): Promise<void> {
    const { items } = await this.#cluster.get<Listed>('pods', '-A');
    const pods = items.filter(({ metadata }) => !metadata.deletionTimestamp);
    const { items: services } = await this.#cluster.get<Listed>('services', '-A');
    this.#pods = pods.map(({ metadata: { name, namespace } }) => ({ name, namespace, deployment: deploymentOf(name) }));
    this.#words = {
      addresses: new Map([
        ...services.map(
          ({ metadata, spec }) => [spec.clusterIP ?? '', `svc/${metadata.name}.${metadata.namespace}`] as const,
        ),
        ...pods.map(({ metadata: { name, namespace }, status }) => {
          return [status.podIP ?? '', `pod/${deploymentOf(name).replace(TWIN, '')}.${namespace}`] as const;
        }),
      ]),
      pods: new Map(this.#pods.map(({ name, deployment }) => [name, deployment])),
    };
  }

  #find(deployment: string, namespace: string): Placed | undefined {
    return this.#pods.find(pod => pod.deployment === deployment && pod.namespace === namespace);
  }
}

/** What may be typed side by side: all that lies between two changes. */
function batches(parts: Transcript['parts']): readonly Transcript['parts'][] {
  const found: (string | Typed)[][] = [[]];
  for (const part of parts)
    if (typeof part === 'string' || part.rows) found.at(-1)?.push(part);
    else found.push([part], []);
  return found;
}
