import { type Problem, problemLine } from '../../config/problem.ts';
import type { NamedObject } from '../../istio/credentials.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { objectKey } from '../../object-key.ts';
import { pause } from '../../proto/json.ts';
import { watchName } from '../../sources/kubernetes/kubernetes.ts';
import type { World } from '../../world.ts';
import type { DebugView } from './view.ts';

/**
 * The problems beside the mesh, those of the mesh, then those that only showed while connected proxies' configuration was made; each once. Pauses
 * where it has none to tell.
 */
export function* problemsOf(view: DebugView): Generator<Problem | typeof pause> {
  const { ads, world, otherProblems } = view;
  yield* otherProblems();
  const current = world();
  if (!current) return;
  const said = new Set<string>();
  const lists = new Set<readonly Problem[]>([current.problems]);
  const fresh = (problem: Problem): boolean => said.size < said.add(problemLine(problem)).size;
  for (const problem of current.problems) yield fresh(problem) ? problem : pause;
  for (const { client } of [...ads.connections]) {
    const { problems } = current.of(client).translation;
    if (lists.size < lists.add(problems).size) for (const problem of problems) yield fresh(problem) ? problem : pause;
    yield pause;
  }
  const withheld = withheldFrom(view, current);
  for (const { client } of [...ads.connections]) {
    yield* withheld(client).filter(fresh);
    yield pause;
  }
}

/** Why proxies are not sent credentials that their objects name. */
export function withheldFrom(
  { credentials, watches }: DebugView,
  current: World,
): (proxy: Proxy) => readonly Problem[] {
  const states = new Map(watches().map(watch => [watch.name, watch]));
  const why = ({ kind, namespace, name }: NamedObject): string | undefined => {
    if (current.mesh.contents[kind].has(objectKey(kind, namespace, name))) return undefined;
    const { state, lastError } = states.get(watchName({ kind, namespace, name })) ?? {};
    if (state === 'listing' || (states.size && !state)) return undefined;
    return `there is no ${kind} ${namespace}/${name}${state === 'failing' ? ` that can be read: ${lastError}` : ''}`;
  };
  return proxy => [
    ...credentials.refusals(proxy, current.of(proxy).translation.configuration.credentials),
    ...credentials.missing(proxy, why),
  ];
}
