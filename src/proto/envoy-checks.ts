import type { ClusterLoadAssignment } from './generated/envoy/config/endpoint/v3.ts';
import type { WeightedCluster } from './generated/envoy/config/route/v3.ts';
import type { TcpProxy_WeightedCluster } from './generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { MessageName, MessageTypes } from './generated/registry.ts';
import type { AnyMessage } from './message.ts';

/** Told of a fault: the way to it from the message, what is wrong, and the first minor version of Envoy 1 that takes it. */
export type Report = (path: readonly (string | number)[], message: string, since?: number) => void;

const MOST = 2 ** 32 - 1;

function checkSum(weights: readonly number[], path: readonly (string | number)[], report: Report): void {
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

/** Priorities begin with 0 and leave none out; localities and endpoints are chosen by the sums of their weights. */
function checkAssignment({ endpoints = [] }: ClusterLoadAssignment, report: Report): void {
  const levels = Map.groupBy(endpoints, ({ priority = 0 }) => priority);
  const gap = endpoints.findIndex(({ priority = 0 }) => priority > 0 && !levels.has(priority - 1));
  if (gap >= 0)
    report(['endpoints', gap, 'priority'], `no endpoints have the priority ${(endpoints[gap]?.priority ?? 0) - 1}`);
  for (const level of levels.values())
    checkSum(
      level.map(({ load_balancing_weight: weight }) => weight?.value ?? 0),
      ['endpoints'],
      report,
    );
}

type Checks = { readonly [N in MessageName]?: (message: MessageTypes[N], report: Report) => void };

const checks: Checks = {
  'envoy.config.route.v3.WeightedCluster': checkWeights,
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': checkTcpWeights,
  'envoy.config.endpoint.v3.ClusterLoadAssignment': checkAssignment,
};

/** What Envoy checks in its code: its descriptors do not tell. By message type. */
export const envoyChecks = checks as Readonly<Record<string, (message: AnyMessage, report: Report) => void>>;
