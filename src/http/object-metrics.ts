import type { KindCounts } from '../config/kind-table.ts';
import { type Kind, kinds } from '../config/kinds.ts';
import type { Instruments } from './instruments.ts';

/** istiod's names of what it reads for its registry; all other kinds are configuration. */
const REGISTRY: { readonly [K in Kind]?: string } = {
  Namespace: 'Namespaces',
  Node: 'Nodes',
  Service: 'Services',
  Endpoints: 'Endpoints',
  EndpointSlice: 'EndpointSlice',
  Pod: 'Pods',
  Secret: 'Secrets',
  ConfigMap: 'ConfigMaps',
};

const EVENTS = ['add', 'update', 'delete'] as const;

/** What happened to objects, by istiod's names. */
export function objectMetrics(instruments: Instruments, counts: () => ReadonlyMap<Kind, KindCounts>): void {
  const events = (name: string, help: string, typeOf: (kind: Kind) => string | undefined): void =>
    instruments.countEach(name, help, ['type', 'event'], () =>
      [...counts()].flatMap(([kind, count]) => {
        const type = typeOf(kind);
        return type ? EVENTS.map(event => [{ type, event }, count[event]] as const) : [];
      }),
    );
  events('pilot_k8s_cfg_events', "Changes of Istio's objects", kind => (REGISTRY[kind] ? undefined : kind));
  events('pilot_k8s_reg_events', 'Changes of what Services and endpoints are made from', kind => REGISTRY[kind]);
  const validation = (name: string, help: string, which: 'passed' | 'failed'): void =>
    instruments.countEach(name, help, ['group', 'resource'], () =>
      [...counts()].flatMap(([kind, count]) => {
        const { group, plural: resource } = kinds[kind];
        return REGISTRY[kind] ? [] : [[{ group, resource }, count[which]] as const];
      }),
    );
  validation('galley_validation_passed', "Versions of Istio's objects that were read and are valid", 'passed');
  validation('galley_validation_failed', "Versions of Istio's objects in which something is wrong", 'failed');
}
