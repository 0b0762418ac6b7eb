import { fieldsOf, type JsonObject, jsonIn, own } from '../unknown.ts';
import { truth } from './annotations.ts';
import {
  allContainersOf,
  annotation,
  type Container,
  findContainer,
  type Handler,
  mapContainers,
  type Pod,
  PROXY,
  type Probe,
  withVariables,
} from './pod.ts';
import { metricsPort, probePort } from './proxy-config.ts';
import { isHandler } from './shape.ts';
import type { TemplateContext } from './template.ts';

/** What of an app is asked in its place, by the path under which the proxy's status port answers for it. */
export type AppProbers = { readonly [path: string]: Prober };

/** A probe, or a step in a container's life, with ports as numbers. */
export interface Prober extends Handler {
  readonly timeoutSeconds?: number;
}

/** The variable in which the proxy's container has the {@link AppProbers}. */
export const PROBERS = 'ISTIO_KUBE_APP_PROBERS';

const asked = {
  '/app-health': { readinessProbe: 'readyz', livenessProbe: 'livez', startupProbe: 'startupz' },
  '/app-lifecycle': { preStop: 'prestopz', postStart: 'poststartz' },
} as const;

/** The handlers among an object's fields under their paths, `/app-health/web/readyz`, as `change` makes them. */
const changed = (
  object: JsonObject,
  prefix: keyof typeof asked,
  name: string,
  change: (handler: Handler, path: string) => Handler | undefined,
): JsonObject =>
  Object.fromEntries(
    Object.entries(asked[prefix]).flatMap(([field, word]) =>
      object[field] ? [[field, change(object[field] as Handler, `${prefix}/${name}/${word}`)]] : [],
    ),
  );

/** The container with each probe and each step in its life as `change` makes it, given its path. */
export const withHandlers = (container: Container, change: Parameters<typeof changed>[3]): Container => {
  const { name, lifecycle } = container;
  return {
    ...container,
    ...changed(container, '/app-health', name, change),
    ...(lifecycle && { lifecycle: { ...lifecycle, ...changed(lifecycle, '/app-lifecycle', name, change) } }),
  };
};

/** The handlers of a container by their paths. */
export function handlersOf(container: Container): ReadonlyMap<string, Handler> {
  const found = new Map<string, Handler>();
  withHandlers(container, (handler, path) => {
    found.set(path, handler);
    return handler;
  });
  return found;
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
function appProbers(pod: Pod, statusPort: number): AppProbers {
  const containers = allContainersOf(pod).filter(({ name }) => name !== PROXY);
  return Object.fromEntries(
    containers.flatMap(container =>
      [...handlersOf(container)].flatMap(([path, handler]): (readonly [string, Prober])[] => {
        const prober = numbered(handler, container);
        if (!prober || (isHook(path) && prober.grpc)) return [];
        if (prober.httpGet?.port === statusPort || prober.tcpSocket?.port === statusPort) return [];
        const { timeoutSeconds }: Probe = handler;
        return [[path, timeoutSeconds && !isHook(path) ? { ...prober, timeoutSeconds } : prober]];
      }),
    ),
  );
}

/** The handler that asks the proxy for what the handler would have asked the app. */
function throughProxy(handler: Handler, path: string, port: number): Handler {
  const { httpGet, tcpSocket, grpc, ...others } = handler;
  if (!httpGet && !tcpSocket && (!grpc || isHook(path))) return handler;
  // From the proxy to the app it is TLS again.
  const through = { ...httpGet, path, port, ...(httpGet?.scheme === 'HTTPS' && { scheme: 'HTTP' }) };
  return { ...others, httpGet: through };
}

/** The pod whose probes and hooks, but for the proxy's, ask the proxy, which is told what to ask of the app; as it is where that is not wanted. */
export function withProbesThroughProxy(pod: Pod, { mesh, values }: Pick<TemplateContext, 'mesh' | 'values'>): Pod {
  if (!findContainer(pod, PROXY)) return pod;
  const wanted = truth(annotation(pod, 'sidecar.istio.io/rewriteAppHTTPProbers') ?? '');
  if (!(wanted ?? values.sidecarInjectorWebhook.rewriteAppHTTPProbe)) return pod;
  const port = probePort(pod, mesh);
  // Port 0 is none: nobody would answer there.
  if (!port) return pod;
  const probers = appProbers(pod, metricsPort(mesh));
  const rewritten = mapContainers(pod, container =>
    container.name === PROXY
      ? container
      : withHandlers(container, (handler, path) => throughProxy(handler, path, port)),
  );
  return Object.keys(probers).length
    ? withVariables(rewritten, [{ name: PROBERS, value: JSON.stringify(probers) }])
    : rewritten;
}

/** The pod whose probes and hooks ask the app again. */
export function restoreProbes(pod: Pod, text: string | undefined): Pod {
  const probers = readProbers(text);
  return mapContainers(pod, container =>
    withHandlers(container, (handler, path) => {
      const prober = own(probers, path);
      if (!prober || handler.httpGet?.path !== path) return handler;
      const { httpGet: _, ...others } = handler;
      const { timeoutSeconds: __, ...before } = prober;
      return { ...others, ...before };
    }),
  );
}

/** The probers in a variable's text, but for those that cannot be read. */
export const readProbers = (text: string | undefined): AppProbers =>
  Object.fromEntries(Object.entries(fieldsOf(jsonIn(text))).filter(([, prober]) => isHandler(prober))) as AppProbers;

/** How often, in seconds, the kubelet asks what has this path among the containers. */
export function periodOf(containers: readonly Container[], path: string): number {
  const handler: Probe | undefined = containers.map(container => handlersOf(container).get(path)).find(Boolean);
  return handler?.periodSeconds || 10;
}
