import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type SecurePlace, secureBootstrap } from '../support/bootstrap.ts';
import { type Envoy, findEnvoy, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { sliceObject } from '../support/kube-objects.ts';
import { adminOf, loopbackNetwork, podObjects } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { PORT, podNames, type RunningPod, startPod } from './bookinfo.ts';
import type { ReviewsCall } from './calls.ts';

/** Bookinfo, running. */
export interface Mesh {
  /** The address on which productpage is visited. */
  readonly productpage: string;
  /** The file with the VirtualService of reviews. */
  readonly file: string;
  /** Why it cannot go on; undefined while all is well. */
  failure(): string | undefined;
  stop(): Promise<void>;
}

const sample = join(import.meta.dirname, '../../deploy/samples/bookinfo');

/** Between the applications nothing is said in plaintext; productpage is visited from outside. */
const mutualTls = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: productpage, namespace: default}
spec: {selector: {matchLabels: {app: productpage}}, mtls: {mode: PERMISSIVE}}
`;

/** The sample's Services and DestinationRules, with pods and endpoints that are on this machine. */
async function writeFolder(folder: string, pods: readonly RunningPod[]): Promise<void> {
  for (const name of ['services.yaml', 'destination-rules.yaml']) await cp(join(sample, name), join(folder, name));
  const services = [...new Set(podNames.map(({ app }) => app))];
  const objects = [
    ...pods.flatMap(pod => podObjects(pod, PORT)),
    ...services.map(name =>
      sliceObject(
        { name, targetPort: PORT },
        pods.filter(p => p.labels['app'] === name).map(pod => ({ pod })),
      ),
    ),
  ];
  await writeFile(join(folder, 'mutual-tls.yaml'), mutualTls);
  await writeFile(join(folder, 'workloads.yaml'), objects.map(object => stringify(object)).join('---\n'));
}

async function startPodEnvoy(place: SecurePlace, pod: RunningPod): Promise<Envoy> {
  const admin = adminOf(pod);
  const bootstrap = await secureBootstrap(place, pod.name, '--admin-address', admin, '--interception', 'NONE');
  return startEnvoy({ bootstrap, admin });
}

/** Starts bookinfo: applications, control plane, Envoys. What was started before something failed is ended again. */
export async function startMesh(firstFile: string, onReviews: (call: ReviewsCall) => void): Promise<Mesh> {
  const started: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    // It may have to be downloaded first: nothing else is worth starting without it.
    await findEnvoy();
    const whole = await mkdtemp(join(tmpdir(), 'pilotlight-demo-'));
    started.push(() => rm(whole, { recursive: true, force: true }));
    const folder = join(whole, 'objects');
    await mkdir(folder);
    const tls = `127.0.0.1:${await freePorts()}`;
    const place: SecurePlace = { config: folder, ca: join(whole, 'ca'), tokens: whole, tls };
    const file = join(folder, 'reviews.yaml');
    const at = loopbackNetwork();
    const pods: RunningPod[] = [];
    for (const [i, pod] of podNames.entries()) {
      const running = await startPod(pod, { address: at(2 * i + 1), egress: at(2 * i + 2) }, onReviews);
      started.push(() => running.stop());
      pods.push(running);
    }
    await writeFolder(folder, pods);
    await writeFile(file, firstFile);
    const serve: Serve = await startServe(['--config', folder, '--ca', place.ca, '--tls-address', tls]);
    started.push(() => serve.stop());
    let failure: string | undefined;
    const watch = (name: string, process: Serve['process'], log: () => string): void => {
      process.once('exit', code => {
        failure ??= `${name} ended with ${code}:\n${log()}`;
      });
    };
    watch('the control plane', serve.process, serve.log);
    const envoys = await Promise.all(pods.map(pod => startPodEnvoy(place, pod)));
    started.push(async () => {
      await Promise.all(envoys.map(envoy => envoy.stop()));
    });
    for (const [i, envoy] of envoys.entries()) watch(`the Envoy of ${pods[i]?.name}`, envoy.process, envoy.log);
    return { productpage: at(1), file, failure: () => failure, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
