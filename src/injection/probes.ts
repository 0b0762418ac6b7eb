import { truth } from './annotations.ts';
import {
  annotation,
  type Container,
  containersOf,
  type Handler,
  initContainersOf,
  mapContainers,
  type Pod,
  PROXY,
  type Probe,
} from './pod.ts';
import { isHandler } from './shape.ts';
import { isObject } from './strategic-merge.ts';

/** What of an app is asked in its place, by the path under which the proxy's status port answers for it. */
export type AppProbers = { readonly [path: string]: Prober };

/** A probe, or a step in a container's life, with ports as numbers. */
export interface Prober extends Handler {
  readonly timeoutSeconds?: number;
}

/** The variable in which the proxy's container has the {@link AppProbers}. */
export const PROBERS = 'ISTIO_KUBE_APP_PROBERS';

const probes = { readinessProbe: 'readyz', livenessProbe: 'livez', startupProbe: 'startupz' } as const;
const hooks = { preStop: 'prestopz', postStart: 'poststartz' } as const;

/** Whether the kubelet's questions go through the proxy: annotation, else the values (inject/app_probe.go). */
export const rewritesProbes = (pod: Pod, standard: boolean): boolean =>
  truth(annotation(pod, 'sidecar.istio.io/rewriteAppHTTPProbers') ?? '') ?? standard;

/** The handler of a container under its path, for each that it has: `/app-health/web/readyz`. */
function* handlersOf(container: Container): Generator<readonly [string, Handler | Probe]> {
  for (const [field, path] of Object.entries(probes)) {
    const probe = container[field as keyof typeof probes];
    if (probe) yield [`/app-health/${container.name}/${path}`, probe];
  }
  for (const [field, path] of Object.entries(hooks)) {
    const hook = container.lifecycle?.[field as keyof typeof hooks];
    if (hook) yield [`/app-lifecycle/${container.name}/${path}`, hook];
  }
}

/** The handler with its port as a number; undefined where it asks no port, or one that the container does not name. */
function numbered(handler: Handler, container: Container): Handler | undefined {
  const { httpGet, tcpSocket, grpc } = handler;
  const number = (port: number | string) =>
    typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
  if (httpGet) {
    const port = number(httpGet.port);
    return port === undefined ? undefined : { httpGet: { ...httpGet, port } };
  }
  if (tcpSocket) {
    const port = number(tcpSocket.port);
    return port === undefined ? undefined : { tcpSocket: { ...tcpSocket, port } };
  }
  return grpc && { grpc };
}

const isHook = (path: string): boolean => path.startsWith('/app-lifecycle/');

/** What the proxy is to be asked instead of the app's containers. What asks the status port itself is none of the app's. */
export function appProbers(pod: Pod, statusPort: number): AppProbers {
  const containers = [...initContainersOf(pod), ...containersOf(pod)].filter(({ name }) => name !== PROXY);
  return Object.fromEntries(
    containers.flatMap(container =>
      [...handlersOf(container)].flatMap(([path, handler]): (readonly [string, Prober])[] => {
        const asked = numbered(handler, container);
        if (!asked || (isHook(path) && asked.grpc)) return [];
        if (asked.httpGet?.port === statusPort || asked.tcpSocket?.port === statusPort) return [];
        const { timeoutSeconds } = handler as Probe;
        return [[path, timeoutSeconds && !isHook(path) ? { ...asked, timeoutSeconds } : asked]];
      }),
    ),
  );
}

/** The handler that asks the proxy for what the handler would have asked the app. */
function throughProxy<H extends Handler>(handler: H, path: string, port: number): H {
  const { httpGet, tcpSocket, grpc, ...others } = handler;
  if (!httpGet && !tcpSocket && (!grpc || isHook(path))) return handler;
  // From the proxy to the app it is TLS again.
  const asked = { ...httpGet, path, port, ...(httpGet?.scheme === 'HTTPS' && { scheme: 'HTTP' }) };
  return { ...others, httpGet: asked } as unknown as H;
}

/** The container with each handler as `change` makes it, given its path. */
const withHandlers = (container: Container, change: <H extends Handler>(handler: H, path: string) => H): Container => {
  const own = Object.fromEntries(
    Object.entries(probes).flatMap(([field, path]) => {
      const probe = container[field as keyof typeof probes];
      return probe ? [[field, change(probe, `/app-health/${container.name}/${path}`)]] : [];
    }),
  );
  const life = Object.entries(hooks).flatMap(([field, path]) => {
    const hook = container.lifecycle?.[field as keyof typeof hooks];
    return hook ? [[field, change(hook, `/app-lifecycle/${container.name}/${path}`)]] : [];
  });
  const lifecycle = life.length > 0 && { lifecycle: { ...container.lifecycle, ...Object.fromEntries(life) } };
  return { ...container, ...own, ...lifecycle };
};

/** The pod whose probes and hooks ask the proxy's status port; those of the proxy stay. */
export const rewriteProbes = (pod: Pod, statusPort: number): Pod =>
  mapContainers(pod, container =>
    container.name === PROXY
      ? container
      : withHandlers(container, (handler, path) => throughProxy(handler, path, statusPort)),
  );

/** The pod whose probes and hooks ask the app again. */
export function restoreProbes(pod: Pod, text: string | undefined): Pod {
  const probers = readProbers(text);
  return mapContainers(pod, container =>
    withHandlers(container, (handler, path) => {
      const prober = Object.hasOwn(probers, path) ? probers[path] : undefined;
      if (!prober || handler.httpGet?.path !== path) return handler;
      const { httpGet: _, ...others } = handler;
      const { timeoutSeconds: __, ...asked } = prober;
      return { ...others, ...asked } as typeof handler;
    }),
  );
}

/** The probers in a variable's text, but for those that cannot be read. */
export function readProbers(text: string | undefined): AppProbers {
  if (text === undefined) return {};
  try {
    const json: unknown = JSON.parse(text);
    if (!isObject(json)) return {};
    return Object.fromEntries(Object.entries(json).filter(([, prober]) => isHandler(prober))) as AppProbers;
  } catch {
    return {};
  }
}

/** How often, in seconds, the kubelet asks what has this path among the containers. */
export function periodOf(containers: readonly Container[], path: string): number {
  const handler = containers.flatMap(container => [...handlersOf(container)]).find(([of]) => of === path)?.[1];
  return (handler as Probe | undefined)?.periodSeconds || 10;
}
