import type { JsonObject } from '../../unknown.ts';
import { http2, socketAddress } from '../bootstrap.ts';
import type { HttpGet } from '../pod.ts';
import type { AppProbers, Prober } from '../probes.ts';
import type { Scrape } from '../prometheus.ts';

/**
 * What Istio's agent answers beside Envoy, answered by Envoy itself: whether the proxy is ready (15021), its metrics (15090), and on the status port
 * (15020) those together with the app's, what the kubelet asks the app, and that it ends. Traffic to these ports is not captured, so that the kubelet and Prometheus
 * need no certificates.
 *
 * - HTTP is passed on to the app.
 * - TCP and gRPC are asked by Envoy's health checks, all the time, and the answer is what the last one found: Envoy accepts connections before it
 *   connects, so that passing them on would find every app alive.
 */
export interface Status {
  /** The pod's own address, where it listens and where the app does. */
  readonly podIp: string;
  /** Where the app's probes go: the pod's own address, or localhost where its traffic goes there. */
  readonly appIp: string;
  readonly adminPort: number;
  readonly statusPorts: readonly number[];
  readonly probers: AppProbers;
  /** How often what has this path is asked, in seconds. */
  periodOf(path: string): number;
  readonly scrape: Partial<Scrape>;
  /** Whether metrics are compressed. */
  readonly compressed: boolean;
}

const typed = (name: string, type: string, fields: JsonObject = {}): JsonObject => ({
  name,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields },
});

const ADMIN = 'admin';

const luaOf = (source: string): JsonObject => ({
  '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute',
  source_code: { inline_string: source },
});

const cluster = (name: string, host: string, port: number, more: JsonObject = {}): JsonObject => ({
  name,
  alt_stat_name: `${name};`,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress({ host, port }) } }] }],
  },
  ...more,
});

/** Connections from these addresses are not captured, as those to the app that came over Envoy anyway. */
const fromPassthrough = {
  upstream_bind_config: {
    source_address: { address: '127.0.0.6', port_value: 0 },
    extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
  },
};

const router = typed('envoy.filters.http.router', 'filters.http.router.v3.Router', { suppress_envoy_headers: true });

function listener(
  { podIp }: Status,
  port: number,
  routes: readonly JsonObject[],
  filters: readonly JsonObject[] = [],
): JsonObject {
  const name = `status-${port}`;
  const connections = typed(
    'envoy.filters.network.http_connection_manager',
    'filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: `status_${port};`,
      generate_request_id: false,
      route_config: { name, virtual_hosts: [{ name, domains: ['*'], routes }] },
      http_filters: [...filters, router],
    },
  );
  return {
    name,
    address: socketAddress({ host: podIp, port }),
    // Who forwards a port of the pod comes to localhost.
    additional_addresses: [{ address: socketAddress({ host: '127.0.0.1', port }) }],
    // A large mesh has megabytes of metrics, which are held while the app's are asked for.
    per_connection_buffer_limit_bytes: 64 << 20,
    // Who asks whether the proxy is alive is answered also when it has as many connections as it takes.
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    filter_chains: [{ filters: [connections] }],
  };
}

const toAdmin = (path: string, page: string, more: JsonObject = {}): JsonObject => ({
  match: { path },
  route: { cluster: ADMIN, prefix_rewrite: page, timeout: '10s' },
  ...more,
});

const ready = toAdmin('/healthz/ready', '/ready');

/** What was counted; with a query (`?filter=…`, `?all`) what that asks for. Zeros of every cluster would be megabytes in a large mesh. */
const metrics = (more: JsonObject): readonly JsonObject[] => [
  toAdmin('/stats/prometheus', '/stats/prometheus?usedonly', {
    match: { path: '/stats/prometheus', headers: [{ name: ':path', string_match: { exact: '/stats/prometheus' } }] },
    ...more,
  }),
  toAdmin('/stats/prometheus', '/stats/prometheus', more),
];

/** Metrics are compressed for who takes that, as Istio's proxy does. */
const compressor = (): JsonObject =>
  typed('envoy.filters.http.compressor', 'filters.http.compressor.v3.Compressor', {
    compressor_library: {
      name: 'gzip',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip' },
    },
    response_direction_config: {
      common_config: { content_type: ['text/plain', 'application/openmetrics-text'] },
    },
  });

/** The listeners and clusters of it. */
export function statusResources(status: Status): {
  readonly listeners: readonly JsonObject[];
  readonly clusters: readonly JsonObject[];
} {
  const probers = Object.entries(status.probers)
    .filter(([, { httpGet, tcpSocket, grpc }]) => isPort((httpGet ?? tcpSocket ?? grpc)?.port))
    .map(([path, prober]) => ({ path, prober, name: `app${path}` }));
  const passed = probers.filter(({ prober }) => prober.httpGet);
  const checked = probers.filter(({ prober }) => !prober.httpGet);
  const merged = mergedWith(status.scrape);
  const routes = [
    ready,
    quit,
    ...metrics(merged ? { typed_per_filter_config: { [LUA]: merged.perRoute } } : {}),
    ...passed.map(({ path, prober, name }) => passOn(path, prober, name)),
  ];
  const compressors = status.compressed ? [compressor()] : [];
  const filters = [
    typed(RBAC, 'filters.http.rbac.v3.RBAC'),
    ...compressors,
    ...checked.map(({ path, name }) => answerOfCheck(path, name)),
    typed(LUA, 'filters.http.lua.v3.Lua'),
  ];
  return {
    listeners: [
      listener(status, 15021, [ready]),
      listener(status, 15090, metrics({}), compressors),
      ...[...new Set(status.statusPorts)].map(port => listener(status, port, routes, filters)),
    ],
    clusters: [
      cluster(ADMIN, '127.0.0.1', status.adminPort),
      ...passed.map(({ prober, name }) => passedTo(prober, name, status)),
      ...checked.map(({ path, prober, name }) => checkOf(path, prober, name, status)),
      ...(merged?.clusters ?? []),
    ],
  };
}

const LUA = 'envoy.filters.http.lua';
const RBAC = 'envoy.filters.http.rbac';

const loopback = { '127.0.0.0': 8, '::1': 128 };

/**
 * How a Job ends a sidecar that is not native: `curl -X POST localhost:15020/quitquitquit`, which is nobody else's business. It is answered before the Envoy is told, so
 * that the answer arrives.
 */
const quit = toAdmin('/quitquitquit', '/quitquitquit', {
  match: { path: '/quitquitquit', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
  typed_per_filter_config: {
    [RBAC]: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
      rbac: {
        rules: {
          policies: {
            pod: {
              permissions: [{ any: true }],
              principals: Object.entries(loopback).map(([address_prefix, prefix_len]) => ({
                direct_remote_ip: { address_prefix, prefix_len },
              })),
            },
          },
        },
      },
    },
    [LUA]: luaOf(`
function envoy_on_request(handle)
  handle:httpCall("${ADMIN}", {[":method"] = "POST", [":path"] = "/quitquitquit", [":authority"] = "localhost"}, "", 5000, true)
  handle:respond({[":status"] = "200"}, "OK")
end`),
  },
});

const seconds = (prober: Prober): string => `${prober.timeoutSeconds || 1}s`;

/** Envoy's formats have % for their commands. */
const literally = (value: string): string => value.replaceAll('%', '%%');

const isPort = (port: unknown): boolean => Number(port) >= 1 && Number(port) <= 65535;

/** A path as the kubelet asks for it: without a fragment, and what no request line can have with percent signs. */
const requested = (path: string): string => {
  const [wanted = ''] = path.split('#', 1);
  const encoded = wanted.replaceAll(/[^\x21-\x7e]/gu, letter =>
    [...Buffer.from(letter)].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
};

/** Whether Envoy takes a header's value; the kubelet sends none with control characters either. */
const isSendable = ({ value = '' }: { readonly value?: string }): boolean =>
  !/[^\P{Cc}\t]/u.test(value) && Buffer.byteLength(value) < 16_384;

function passOn(path: string, prober: Prober, name: string): JsonObject {
  const { path: wanted = '/', httpHeaders = [] } = prober.httpGet as HttpGet;
  const sent = httpHeaders.filter(isSendable);
  const host = sent.find(header => header.name.toLowerCase() === 'host')?.value;
  const others = sent.filter(header => header.name.toLowerCase() !== 'host');
  return {
    match: { path },
    route: {
      cluster: name,
      prefix_rewrite: requested(wanted),
      ...(host !== undefined && { host_rewrite_literal: host }),
      timeout: seconds(prober),
    },
    // The kubelet would go there, on the proxy's port, where nobody answers; a redirect is an answer that will do.
    response_headers_to_remove: ['location'],
    ...(others.length > 0 && {
      request_headers_to_add: others.map(header => ({
        header: { key: header.name, value: literally(header.value ?? '') },
        append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
      })),
    }),
  };
}

/** As the kubelet does, whatever certificate the app has is taken. */
const passedTo = ({ httpGet }: Prober, name: string, { appIp }: Status): JsonObject =>
  cluster(name, appIp, Number(httpGet?.port), {
    ...fromPassthrough,
    ...(httpGet?.scheme === 'HTTPS' && {
      transport_socket: typed('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
    }),
  });

function checkOf(path: string, prober: Prober, name: string, { appIp, periodOf }: Status): JsonObject {
  const { tcpSocket, grpc } = prober;
  const interval = `${Math.min(5, Math.max(1, Math.floor(periodOf(path) / 2)))}s`;
  return cluster(name, appIp, Number((tcpSocket ?? grpc)?.port), {
    ...fromPassthrough,
    ...(grpc && { typed_extension_protocol_options: http2 }),
    health_checks: [
      {
        timeout: seconds(prober),
        interval,
        no_traffic_interval: interval,
        unhealthy_interval: '1s',
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        ...(grpc
          ? {
              grpc_health_check: {
                authority: `localhost:${grpc.port}`,
                ...(grpc.service && { service_name: grpc.service }),
              },
            }
          : { tcp_health_check: {} }),
      },
    ],
  });
}

const answerOfCheck = (path: string, name: string): JsonObject =>
  typed('envoy.filters.http.health_check', 'filters.http.health_check.v3.HealthCheck', {
    pass_through_mode: false,
    cluster_min_healthy_percentages: { [name]: { value: 100 } },
    headers: [{ name: ':path', string_match: { exact: path } }],
  });

/** The app's own metrics behind Envoy's, one text behind the other, as Istio's agent does; Envoy's alone where the app has none to give. */
function mergedWith({
  port,
  path,
  targets,
}: Partial<Scrape>): { readonly perRoute: JsonObject; readonly clusters: readonly JsonObject[] } | undefined {
  const told = targets ?? (port ? [{ port, path: path ?? '' }] : []);
  const asked = told.filter(target => isPort(target.port));
  if (!asked.length) return undefined;
  // What is quoted so means the same to Lua: no letter of it is a control character.
  const calls = asked.map(({ path: of }, i) => `{"metrics-${i}", ${JSON.stringify(requested(of || '/metrics'))}}`);
  // A handle's headers and body do not outlive a call.
  const source = `
function envoy_on_response(handle)
  local own = handle:body(true)
  local all = {own:getBytes(0, own:length())}
  for _, app in ipairs({${calls.join(', ')}}) do
    local headers, body = handle:httpCall(app[1], {[":method"] = "GET", [":path"] = app[2], [":authority"] = "localhost", ["accept"] = "text/plain;version=0.0.4"}, "", 5000)
    if headers[":status"] == "200" and body then all[#all + 1] = body end
  end
  local text = table.concat(all, "\\n")
  handle:body(true):setBytes(text)
  handle:headers():replace("content-length", #text)
end`;
  return {
    perRoute: luaOf(source),
    clusters: asked.map((target, i) => cluster(`metrics-${i}`, '127.0.0.1', Number(target.port))),
  };
}
