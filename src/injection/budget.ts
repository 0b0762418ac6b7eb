import { fieldsOf, isObject, type Json, type JsonObject } from '../unknown.ts';
import { type Container, containersOf, initContainersOf, type Pod, withSpec } from './pod.ts';
import { quantity } from './quantity.ts';

/** Amounts by the name of a resource: `{cpu: 0.1, memory: 134217728}`. */
type Amounts = ReadonlyMap<string, number>;

const amountsIn = (resources: Json | undefined, field: 'requests' | 'limits'): Amounts => {
  const entries = Object.entries(fieldsOf(fieldsOf(resources)[field]));
  return new Map(entries.map(([name, amount]) => [name, quantity(String(amount)) ?? 0]));
};

/** What containers have at most at one time (k8s.io/component-helpers AggregateContainerRequests): those that go on, or one of those that come before. */
function atOnce(pod: Pod, name: string, field: 'requests' | 'limits'): number {
  // Who says a limit and no request requests as much.
  const of = ({ resources }: Container): number =>
    amountsIn(resources, field).get(name) ?? amountsIn(resources, 'limits').get(name) ?? 0;
  let goingOn = 0;
  let most = 0;
  for (const container of initContainersOf(pod)) {
    if (container.restartPolicy === 'Always') goingOn += of(container);
    most = Math.max(most, goingOn + (container.restartPolicy === 'Always' ? 0 : of(container)));
  }
  return Math.max(
    most,
    containersOf(pod).reduce((sum, container) => sum + of(container), goingOn),
  );
}

/** An amount as Kubernetes writes it: thousandths of a CPU, whole numbers of anything else. */
const written = (name: string, amount: number): string =>
  name === 'cpu' ? `${Math.ceil(Math.round(amount * 1e6) / 1e3)}m` : String(Math.ceil(amount));

/**
 * The injected pod whose own budget (`spec.resources`, of all containers together) is larger by what injection added to its containers: an API server
 * takes no container with more than its pod has.
 */
export function withBudget(injected: Pod, original: Pod): Pod {
  const budget = injected.spec?.['resources'];
  if (!isObject(budget)) return injected;
  const grown = (field: 'requests' | 'limits'): Amounts =>
    new Map(
      [...amountsIn(budget, field)].map(([name, amount]) => {
        const added = atOnce(injected, name, field) - atOnce(original, name, field);
        return [name, amount + Math.max(0, added)];
      }),
    );
  const requests = grown('requests');
  // A container without a limit has what its pod has.
  const limits = [...grown('limits')].map(
    ([name, amount]) => [name, Math.max(amount, requests.get(name) ?? 0)] as const,
  );
  const changed = (field: 'requests' | 'limits', amounts: Iterable<readonly [string, number]>): JsonObject => {
    const before = amountsIn(budget, field);
    const larger = [...amounts].filter(([name, amount]) => amount > (before.get(name) ?? 0));
    if (!larger.length) return {};
    const texts = Object.fromEntries(larger.map(([name, amount]) => [name, written(name, amount)]));
    return { [field]: { ...fieldsOf(budget[field]), ...texts } };
  };
  return withSpec(injected, {
    resources: { ...budget, ...changed('requests', requests), ...changed('limits', limits) },
  });
}
