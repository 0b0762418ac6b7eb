import { Counter, type Registry } from 'prom-client';
import type { KindCounts } from '../config/kind-table.ts';
import type { Kind } from '../config/kinds.ts';
import { kinds } from '../config/kinds.ts';

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

/** What happened to objects, by istiod's names: read when the page is asked for. */
export function objectMetrics(register: Registry, counts: () => ReadonlyMap<Kind, KindCounts>): void {
  const registers = [register];
  const events = (name: string, help: string, typeOf: (kind: Kind) => string | undefined): void => {
    new Counter({
      name,
      help,
      labelNames: ['type', 'event'],
      registers,
      collect() {
        this.reset();
        for (const [kind, count] of counts()) {
          const type = typeOf(kind);
          if (type) for (const event of EVENTS) this.inc({ type, event }, count[event]);
        }
      },
    });
  };
  events('pilot_k8s_cfg_events', "Changes of Istio's objects", kind => (REGISTRY[kind] ? undefined : kind));
  events('pilot_k8s_reg_events', 'Changes of what Services and endpoints are made from', kind => REGISTRY[kind]);
  const validation = (name: string, help: string, which: 'passed' | 'failed'): void => {
    new Counter({
      name,
      help,
      labelNames: ['group', 'resource'],
      registers,
      collect() {
        this.reset();
        for (const [kind, count] of counts()) {
          const { group, plural: resource } = kinds[kind];
          if (!REGISTRY[kind]) this.inc({ group, resource }, count[which]);
        }
      },
    });
  };
  validation('galley_validation_passed', "Versions of Istio's objects that were read and are valid", 'passed');
  validation('galley_validation_failed', "Versions of Istio's objects in which something is wrong", 'failed');
}
