import { isIP } from 'node:net';
import { checkHeaderRule, checkLocalRateLimit, checkLua } from './filter-checks.ts';
import {
  checkAddressMatch,
  checkAuthorizationRequest,
  checkCustomTag,
  checkFileLog,
  checkGrpcService,
  checkHeaderOption,
  checkOpenTelemetryLog,
  checkRewrites,
  checkSubstitution,
  checkTracing,
  checkTunnel,
} from './format-checks.ts';
import type { Cluster_RingHashLbConfig, OutlierDetection } from './generated/envoy/config/cluster/v3.ts';
import type { CidrRange, HeaderValueOption } from './generated/envoy/config/core/v3.ts';
import type { ClusterLoadAssignment } from './generated/envoy/config/endpoint/v3.ts';
import type { RetryPolicy_RetryBackOff, WeightedCluster } from './generated/envoy/config/route/v3.ts';
import type { TcpProxy_WeightedCluster } from './generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { Int32Range, Int64Range } from './generated/envoy/type/v3.ts';
import type { Duration } from './generated/google/protobuf.ts';
import type { MessageName, MessageTypes } from './generated/registry.ts';
import type { AnyMessage } from './message.ts';
import type { Report, Step } from './report.ts';
import { checkAlpn, checkServerName, checkTlsParameters } from './tls-parameters.ts';

const MOST = 2 ** 32 - 1;

function checkSum(weights: readonly number[], path: readonly Step[], report: Report): void {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum > MOST) report(path, `the sum of the weights must be at most ${MOST}, not ${sum}`);
}

function checkWeights({ clusters = [] }: WeightedCluster, report: Report): void {
  const weights = clusters.map(({ weight }) => weight?.value ?? 0);
  checkSum(weights, ['clusters'], report);
  if (weights.every(weight => weight === 0)) report(['clusters'], 'the sum of the weights must be above 0');
}

function checkTcpWeights({ clusters = [] }: TcpProxy_WeightedCluster, report: Report): void {
  checkSum(
    clusters.map(({ weight = 0 }) => weight),
    ['clusters'],
    report,
  );
}

/** Localities are chosen by the sums of their weights. */
function checkAssignment({ endpoints = [] }: ClusterLoadAssignment, report: Report): void {
  for (const level of Map.groupBy(endpoints, ({ priority = 0 }) => priority).values())
    checkSum(
      level.map(({ load_balancing_weight: weight }) => weight?.value ?? 0),
      ['endpoints'],
      report,
    );
}

const seconds = ({ seconds = 0, nanos = 0 }: Duration): number => seconds + nanos / 1e9;

/** Of two durations the one that must not be shorter. */
function checkOrder(
  least: Duration | undefined,
  most: Duration | undefined,
  field: string,
  than: string,
  report: Report,
): void {
  if (least && most && seconds(most) < seconds(least))
    report([field], `must not be below ${than}, ${seconds(least)}s, and is ${seconds(most)}s`);
}

const checkBackOff = ({ base_interval, max_interval }: RetryPolicy_RetryBackOff, report: Report): void =>
  checkOrder(base_interval, max_interval, 'max_interval', 'base_interval', report);

const checkEjection = ({ base_ejection_time, max_ejection_time }: OutlierDetection, report: Report): void =>
  checkOrder(base_ejection_time, max_ejection_time, 'max_ejection_time', 'base_ejection_time', report);

const checkRange = ({ start = 0, end = 0 }: Int64Range | Int32Range, report: Report): void => {
  if (start >= end) report(['end'], `must be above the start, ${start}, and is ${end}`);
};

const checkCidr = ({ address_prefix: address = '' }: CidrRange, report: Report): void => {
  if (!isIP(address) || address.includes('%'))
    report(['address_prefix'], `must be an IP address, not ${JSON.stringify(address)}`);
};

/** What Envoy's route tables do to headers: those that stand for the request line are not theirs. */
interface HeaderChanges {
  readonly request_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly response_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly request_headers_to_remove?: readonly string[] | undefined;
  readonly response_headers_to_remove?: readonly string[] | undefined;
}

const isFixed = (name: string): boolean => name.startsWith(':') || name.toLowerCase() === 'host';

function checkHeaderChanges(changes: HeaderChanges, report: Report): void {
  for (const field of ['request_headers_to_add', 'response_headers_to_add'] as const)
    for (const [i, { header }] of (changes[field] ?? []).entries())
      if (isFixed(header?.key ?? '')) report([field, i, 'header', 'key'], `${header?.key} cannot be changed`);
  for (const field of ['request_headers_to_remove', 'response_headers_to_remove'] as const)
    for (const [i, name] of (changes[field] ?? []).entries())
      if (isFixed(name)) report([field, i], `${name} cannot be removed`);
}

function checkRing(
  { minimum_ring_size: least, maximum_ring_size: most }: Cluster_RingHashLbConfig,
  report: Report,
): void {
  if ((least?.value ?? 1024) > (most?.value ?? 8 * 1024 * 1024))
    report(['minimum_ring_size'], `must not be above the largest size of the ring, and is ${least?.value}`);
}

type Checks = { readonly [N in MessageName]?: (message: MessageTypes[N], report: Report) => void };

const checks: Checks = {
  'envoy.config.route.v3.WeightedCluster': checkWeights,
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': checkTcpWeights,
  'envoy.config.endpoint.v3.ClusterLoadAssignment': checkAssignment,
  'envoy.config.cluster.v3.Cluster.RingHashLbConfig': checkRing,
  'envoy.config.cluster.v3.OutlierDetection': checkEjection,
  'envoy.config.core.v3.CidrRange': checkCidr,
  'envoy.config.route.v3.RetryPolicy.RetryBackOff': checkBackOff,
  'envoy.type.v3.Int32Range': checkRange,
  'envoy.type.v3.Int64Range': checkRange,
  'envoy.config.route.v3.RouteConfiguration': checkHeaderChanges,
  'envoy.config.route.v3.VirtualHost': checkHeaderChanges,
  'envoy.config.route.v3.Route': checkHeaderChanges,
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': checkHeaderChanges,
  'envoy.config.route.v3.RouteAction': checkRewrites,
  'envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch': checkAddressMatch,
  'envoy.config.core.v3.HeaderValueOption': checkHeaderOption,
  'envoy.config.core.v3.SubstitutionFormatString': checkSubstitution,
  'envoy.config.core.v3.GrpcService': checkGrpcService,
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': checkFileLog,
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig': checkOpenTelemetryLog,
  'envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest': checkAuthorizationRequest,
  'envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule': checkHeaderRule,
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': checkLocalRateLimit,
  'envoy.extensions.filters.http.lua.v3.Lua': checkLua,
  'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit': checkLocalRateLimit,
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit': checkLocalRateLimit,
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing': checkTracing,
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig': checkTunnel,
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext': checkAlpn,
  'envoy.extensions.transport_sockets.tls.v3.TlsParameters': checkTlsParameters,
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': checkServerName,
  'envoy.type.tracing.v3.CustomTag': checkCustomTag,
};

/** What Envoy checks in its code: its descriptors do not tell. By message type. */
export const envoyChecks = checks as Readonly<Record<string, (message: AnyMessage, report: Report) => void>>;
