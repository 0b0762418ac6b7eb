import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type DestinationRule, type Sidecar, writtenPath } from '../../istio/config.ts';
import { covers, HostSet, isWildcard } from '../../istio/hosts.ts';
import { visibleTo } from '../../istio/visibility.ts';
import { addTo } from '../../lists.ts';
import { memo, oneList } from '../../memo.ts';
import { type Derived, deriving } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Hostname, Service } from '../services/service.ts';
import type { ServiceIndex } from '../services/service-index.ts';
import type { DestinationRuleIndex } from './destination-rules.ts';
import type { VirtualServiceIndex } from './virtual-service-index.ts';

/** Hosts in DestinationRules and Sidecars that nothing has. */
export interface UnmatchedHosts {
  readonly problems: readonly Problem[];
  readonly rules: Derived<DestinationRule, readonly Problem[]>;
  readonly sidecars: Derived<Sidecar, readonly Problem[]>;
}

export interface UnmatchedInputs {
  readonly rules: DestinationRuleIndex['qualified']['values'];
  readonly sidecars: ConfigContents['Sidecar'];
  readonly services: ServiceIndex['byHost'];
  readonly virtualServices: VirtualServiceIndex['qualified']['values'];
  readonly written: ConfigContents['DestinationRule'];
}

const none: readonly Problem[] = Object.freeze([]);

const ruleProblem = memo((rule: DestinationRule, message: string): readonly Problem[] => [
  { object: rule.meta.key, path: 'spec.host', message, severity: 'warning' },
]);

function checkRule(rule: DestinationRule, written: DestinationRule | undefined, services: ServiceIndex['byHost']) {
  const { host } = rule.spec;
  if (!host) return none;
  if (isWildcard(host)) {
    for (const known of services.keys()) if (covers(host, known) || covers(known, host)) return none;
    return ruleProblem(rule, `no Service of the mesh has a host within ${host}; the rule applies to nothing`);
  }
  const found = services.get(host);
  if (found) {
    const [alias, ...others] = found.flatMap(({ aliasOf }) => aliasOf || []);
    if (!alias || others.length || found.length > 1) return none;
    const message = `${host} is an ExternalName for ${alias} and has no cluster of its own; the rule applies to nothing`;
    return ruleProblem(rule, message);
  }
  const short = written?.spec.host;
  const meant = short !== host ? ` (${short} means a Service of the rule's own namespace)` : '';
  return ruleProblem(rule, `no Service of the mesh has the host ${host}${meant}; the rule applies to nothing`);
}

const reachable = (service: Service, from: string, namespace: string): boolean =>
  (from === '*' || service.namespace === from) && visibleTo(service.visibility, namespace);

/** Whether a host of a Sidecar imports a Service or a VirtualService. */
function imports(
  { meta }: Sidecar,
  text: string,
  services: ServiceIndex['byHost'],
  virtualServices: UnmatchedInputs['virtualServices'],
): boolean {
  const slash = text.indexOf('/');
  const [scope, host] = [text.slice(0, slash), text.slice(slash + 1) as Hostname];
  // A whole namespace may be empty for now; what is excluded may not be there.
  if (host === '*' || scope.startsWith('~')) return true;
  const from = scope === '.' ? meta.namespace : scope;
  const some = (list: readonly Service[] | undefined): boolean =>
    list?.some(service => reachable(service, from, meta.namespace)) ?? false;
  if (some(services.get(host))) return true;
  if (isWildcard(host)) for (const [known, list] of services) if (covers(host, known) && some(list)) return true;
  return routedHosts(virtualServices).get(from)?.overlaps(host) ?? false;
}

/** The hosts of VirtualServices by their namespace, and all of them (`*`). */
const routedHosts = memo((virtualServices: UnmatchedInputs['virtualServices']): ReadonlyMap<string, HostSet> => {
  const found = new Map<string, string[]>();
  for (const { meta, spec } of virtualServices.values()) {
    for (const namespace of [meta.namespace, '*']) {
      for (const host of spec.hosts ?? []) addTo(found, namespace, host);
    }
  }
  return new Map([...found].map(([namespace, hosts]) => [namespace, new HostSet(hosts)]));
});

/** `unmatched` are the hosts that import nothing, as paths, joined by spaces. */
const sidecarProblems = memo((sidecar: Sidecar, unmatched: string): readonly Problem[] =>
  unmatched.split(' ').map((path): Problem => {
    const message = 'this host imports nothing: no Service or VirtualService that the namespace sees has it';
    return { object: sidecar.meta.key, path: writtenPath(sidecar, path), message, severity: 'warning' };
  }),
);

function checkSidecar(sidecar: Sidecar, services: ServiceIndex['byHost'], routes: UnmatchedInputs['virtualServices']) {
  const unmatched = (sidecar.spec.egress ?? []).flatMap(({ hosts }, i) =>
    (hosts ?? []).flatMap((host, j) =>
      imports(sidecar, host, services, routes) ? [] : `spec.egress[${i}].hosts[${j}]`,
    ),
  );
  return unmatched.length ? sidecarProblems(sidecar, unmatched.join(' ')) : none;
}

/** Finds hosts that name nothing. An object is looked at again only when it or what is there to be named has changed. */
export function* findUnmatchedHosts(
  { rules, sidecars, services, virtualServices, written }: UnmatchedInputs,
  previous: Stage<UnmatchedInputs, UnmatchedHosts> | undefined,
): Generator<undefined, UnmatchedHosts> {
  const last = previous?.value;
  const ofRules = yield* deriving(
    rules,
    services,
    rule => checkRule(rule, written.get(rule.meta.key), services),
    last?.rules,
  );

  const ofSidecars = yield* deriving(
    sidecars,
    oneList([services, virtualServices]),
    sidecar => checkSidecar(sidecar, services, virtualServices),
    last?.sidecars,
  );
  if (last && ofRules === last.rules && ofSidecars === last.sidecars) return last;
  const problems = [...ofRules.values.values(), ...ofSidecars.values.values()].flat();
  return { problems: oneList(problems), rules: ofRules, sidecars: ofSidecars };
}
