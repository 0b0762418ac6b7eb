/** Priorities and weights of localities as seen from a proxy's location (istio: loadbalancer/loadbalancer.go). */

import { compare } from '../../istio/object.ts';
import { addTo } from '../../lists.ts';
import type { Endpoint, Locality } from '../../model/endpoints/endpoint.ts';
import type { LbEndpoint } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import type { LocalityLoadBalancerSetting } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { type LbSetting, zoneAwareEnabled } from '../destinations/lb-setting.ts';
import type { ProxyLocation } from './proxy-location.ts';

/** The endpoints of one locality, with the message of each. */
export interface LocalityGroup {
  readonly locality: Locality;
  readonly members: readonly { readonly endpoint: Endpoint; readonly message: LbEndpoint }[];
  readonly weight: number;
  readonly priority: number;
}

const NETWORK = 'topology.istio.io/network';

/** `region/zone/subzone` against a locality; `*` and missing parts match everything. */
const matches = (locality: Locality, rule: string): boolean => {
  const [region = '', zone = '', subzone = ''] = rule.split('/');
  const part = (want: string, have: string): boolean => want === '*' || want === '' || want === have;
  return (region === '*' || region === locality.region) && part(zone, locality.zone) && part(subzone, locality.subzone);
};

/** Envoy wants the priorities 0, 1, 2, … without a gap. */
const withoutGaps = (groups: readonly LocalityGroup[]): readonly LocalityGroup[] => {
  const used = [...new Set(groups.map(group => group.priority))].sort((a, b) => a - b);
  return groups.map(group => ({ ...group, priority: used.indexOf(group.priority) }));
};

function distribute(
  groups: readonly LocalityGroup[],
  rules: NonNullable<LocalityLoadBalancerSetting['distribute']>,
  from: Locality,
): readonly LocalityGroup[] {
  const rule = rules.find(r => matches(from, r.from ?? ''));
  if (!rule) return groups;
  const weights = new Map<LocalityGroup, number>();
  // Descending order puts a wildcard after what is named: each locality is taken by the first rule that matches it.
  for (const [to, weight] of Object.entries(rule.to ?? {}).sort((a, b) => compare(b[0], a[0]))) {
    const taken = groups.filter(group => !weights.has(group) && matches(group.locality, to));
    const total = taken.reduce((sum, group) => sum + group.weight, 0);
    for (const group of taken) weights.set(group, Math.ceil((group.weight * weight) / total) || group.weight);
  }
  return groups.map(group => {
    const weight = weights.get(group);
    return weight === undefined ? { ...group, members: [] } : { ...group, weight };
  });
}

/** 0: same subzone, 1: zone, 2: region, 3: another region. */
const distance = (from: Locality, to: Locality): number => {
  if (from.region !== to.region) return 3;
  if (from.zone !== to.zone) return 2;
  return from.subzone === to.subzone ? 0 : 1;
};

interface Failover {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** How far away a locality is: 0 is nearest. `to` is the region that failover leads to from the proxy's, where it leads somewhere. */
interface Scale {
  readonly levels: number;
  levelOf(locality: Locality, from: Locality, to: string | undefined): number;
}

const byLocality: Scale = {
  levels: 5,
  levelOf(locality, from, to) {
    const near = distance(from, locality);
    return near === 3 && to !== undefined && locality.region !== to ? 4 : near;
  },
};

const byRegion: Scale = {
  levels: 3,
  levelOf: ({ region }, from, to) => (region === from.region ? 0 : region === to ? 1 : 2),
};

/** Splits each priority by how far its localities are. */
function byDistance(
  { levels, levelOf }: Scale,
  groups: readonly LocalityGroup[],
  failover: readonly Failover[],
  from: Locality,
): readonly LocalityGroup[] {
  const rule = failover.find(f => (f.from ?? '') === from.region);
  const to = rule && (rule.to ?? '');
  return withoutGaps(
    groups.map(group => ({ ...group, priority: group.priority * levels + levelOf(group.locality, from, to) })),
  );
}

/** Splits each locality by how many of the labels, in order, endpoint and proxy have in common. */
function byLabels(
  groups: readonly LocalityGroup[],
  priorities: readonly string[],
  location: ProxyLocation,
): readonly LocalityGroup[] {
  const wanted = priorities.map(entry => {
    const parts = entry.split('=');
    const name = parts[0] ?? '';
    return { name, value: parts.length === 2 ? (parts[1] ?? '') : (location.labels[name] ?? '') };
  });
  const networkFirst = priorities[0] === NETWORK;
  const levelOf = (endpoint: Endpoint): number => {
    let elsewhere = 0;
    for (const [index, { name, value }] of wanted.entries()) {
      if ((endpoint.labels[name] ?? '') === value) continue;
      if (index === 0 && networkFirst) elsewhere = wanted.length;
      else return wanted.length - index + elsewhere;
    }
    return elsewhere;
  };
  const split: LocalityGroup[] = [];
  for (const group of groups) {
    const levels = new Map<number, LocalityGroup['members'][number][]>();
    for (const member of group.members) {
      const level = levelOf(member.endpoint);
      addTo(levels, level, member);
    }
    for (const [level, members] of [...levels].sort((a, b) => a[0] - b[0])) {
      const weight = members.reduce((sum, { endpoint }) => sum + (endpoint.weight || 1), 0);
      split.push({ locality: group.locality, members, weight, priority: level });
    }
  }
  return withoutGaps(split);
}

/** The groups with priorities and weights in force for a proxy at `location`. */
export function prioritise(
  groups: readonly LocalityGroup[],
  lb: LbSetting | undefined,
  outlierDetection: boolean,
  location: ProxyLocation | undefined,
): readonly LocalityGroup[] {
  if (!lb || !location) return groups;
  if (lb.kind === 'zoneAware') {
    if (!zoneAwareEnabled(lb.setting)) return groups;
    const labels = lb.setting.failoverPriority ?? [];
    return byDistance(
      byRegion,
      labels.length ? byLabels(groups, labels, location) : groups,
      lb.setting.failover ?? [],
      location.locality,
    );
  }
  const setting = lb.setting;
  if (!setting) return groups;
  if (setting.distribute?.length) return distribute(groups, setting.distribute, location.locality);
  // Without outlier detection Envoy never learns that an endpoint fails, and would never fail over.
  if (!outlierDetection && !lb.force) return groups;
  const failover = setting.failover ?? [];
  if (!setting.failoverPriority?.length) return byDistance(byLocality, groups, failover, location.locality);
  const split = byLabels(groups, setting.failoverPriority, location);
  return failover.length ? byDistance(byLocality, split, failover, location.locality) : split;
}
