import {
  type Container,
  containersOf,
  type Handler,
  initContainersOf,
  type Pod,
  PROXY,
} from '../../src/injection/pod.ts';

/** What an API server would say of a pod (kubernetes/pkg/apis/core/validation), as far as injection can get it wrong. */
export function podFaults(pod: Pod): readonly string[] {
  const containers = containersOf(pod);
  const all = [...initContainersOf(pod), ...containers];
  const volumes = (pod.spec?.volumes ?? []).map(({ name }) => name);
  return [
    ...twice(
      'containers',
      all.map(({ name }) => name),
    ),
    ...twice('volumes', volumes),
    ...(containers.length ? [] : ['spec.containers: required']),
    ...(all.some(({ name }) => name === PROXY) ? [] : ['there is no proxy']),
    ...all.flatMap(container => containerFaults(container, new Set(volumes))),
    ...Object.entries({ ...pod.metadata?.labels, ...pod.metadata?.annotations })
      .filter(([, value]) => typeof value !== 'string')
      .map(([name]) => `${name}: no text`),
    ...Object.entries(pod.metadata?.labels ?? {})
      .filter(([, value]) => !/^(|[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)$/.test(value))
      .map(([name]) => `${name}: no label's value`),
  ];
}

const twice = (what: string, names: readonly string[]): readonly string[] =>
  names.filter((name, i) => names.indexOf(name) !== i).map(name => `${what}: ${name} is there twice`);

function containerFaults(container: Container, volumes: ReadonlySet<string>): readonly string[] {
  const { name, image, args, env = [], volumeMounts = [], lifecycle } = container;
  const faults = [
    ...(image && image !== 'auto' ? [] : ['no image']),
    ...(args ?? []).flatMap((arg, i) => (typeof arg === 'string' ? [] : [`args[${i}]: no text`])),
    ...env.flatMap(variable => {
      const values = ['value', 'valueFrom'].filter(field => variable[field] !== undefined && variable[field] !== '');
      return values.length > 1 || (variable.value !== undefined && typeof variable.value !== 'string')
        ? [`env ${variable.name}: ${JSON.stringify(variable)}`]
        : [];
    }),
    ...twice(
      'volumeMounts',
      volumeMounts.map(({ mountPath }) => mountPath),
    ),
    ...volumeMounts.filter(mount => !volumes.has(mount.name)).map(mount => `there is no volume ${mount.name}`),
    ...(['readinessProbe', 'livenessProbe', 'startupProbe'] as const).flatMap(field =>
      handlerFaults(container[field], field),
    ),
    ...(['preStop', 'postStart'] as const).flatMap(field => handlerFaults(lifecycle?.[field], field)),
  ];
  return faults.map(fault => `${name}: ${fault}`);
}

function handlerFaults(handler: Handler | undefined, field: string): readonly string[] {
  if (!handler) return [];
  const kinds = ['httpGet', 'tcpSocket', 'grpc', 'exec', 'sleep'].filter(kind => handler[kind] !== undefined);
  const ports = [handler.httpGet?.port, handler.tcpSocket?.port, handler.grpc?.port].filter(port => port !== undefined);
  return [
    ...(kinds.length === 1 ? [] : [`${field} has ${kinds.join(' and ') || 'nothing to do'}`]),
    ...ports.filter(p => typeof p === 'number' && !(p >= 1 && p <= 65535)).map(p => `${field}: port ${p}`),
  ];
}
