import type { Report } from '../config/report.ts';
import {
  allContainersOf,
  annotationPath,
  containersOf,
  findContainer,
  initContainersOf,
  type Named,
  type Pod,
  PROXY,
} from './pod.ts';

/** What keeps what is injected and what a pod has from being in one pod. */

/** What a volume is; one that says nothing is an empty folder. */
const typeOf = (volume: Named): string => Object.keys(volume).find(field => field !== 'name') ?? 'emptyDir';

/** Reports volumes of the pod that have the name of an injected one, and are something else; and names that the injected ones have twice. */
export function checkVolumes(pod: Pod, added: Pod, report: Report): void {
  const injected = new Map<string, Named>();
  for (const volume of added.spec?.volumes ?? []) {
    if (injected.has(volume.name))
      report.error(
        annotationPath('sidecar.istio.io/userVolume'),
        `there is a volume '${volume.name}' of the sidecar; expected another name`,
      );
    injected.set(volume.name, volume);
  }
  for (const [i, volume] of (pod.spec?.volumes ?? []).entries()) {
    const other = injected.get(volume.name);
    if (other && typeOf(other) !== typeOf(volume))
      report.error(
        `spec.volumes[${i}].name`,
        `'${volume.name}' is a volume of the sidecar (${typeOf(other)}, not ${typeOf(volume)}); expected another name`,
      );
  }
}

/** Reports names of injected containers that are in both lists, as several templates may have it. */
export function checkNames(pod: Pod, added: Pod, report: Report): void {
  const init = new Set(initContainersOf(pod).map(({ name }) => name));
  const injected = new Set(allContainersOf(added).map(({ name }) => name));
  for (const { name } of containersOf(pod))
    if (init.has(name) && injected.has(name))
      report.error(
        annotationPath('inject.istio.io/templates'),
        `the templates make ${name} an init container and one beside the app; expected one of the two`,
      );
}

/** As long as Linux lets one argument be, but for what the kubelet writes into it. */
const LONGEST_ARGUMENT = 124 * 1024;

/** Reports arguments of the proxy with which nothing could be started: its bootstrap is one. */
export function checkArguments(pod: Pod, report: Report): void {
  for (const arg of findContainer(pod, PROXY)?.args ?? [])
    if (Buffer.byteLength(arg) > LONGEST_ARGUMENT)
      report.error(
        '',
        `the bootstrap of its proxy is longer than the ${LONGEST_ARGUMENT} bytes that an argument can have; expected fewer probes, or sidecar.istio.io/rewriteAppHTTPProbers: "false", or the template istio-proxy`,
      );
}

/** Reports places at which an injected container would have two volumes. */
export function checkMounts(pod: Pod, added: Pod, report: Report): void {
  const names = new Set(allContainersOf(added).map(({ name }) => name));
  for (const { name, volumeMounts = [] } of allContainersOf(pod)) {
    if (!names.has(name)) continue;
    const paths = new Set<string>();
    for (const { mountPath } of volumeMounts) {
      if (paths.has(mountPath))
        report.error(
          annotationPath('sidecar.istio.io/userVolumeMount'),
          `${name} has another volume at ${mountPath}; expected another path`,
        );
      paths.add(mountPath);
    }
  }
}
