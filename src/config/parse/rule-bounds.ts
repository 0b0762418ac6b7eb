import type {
  Condition,
  Operation,
  Rule,
  Rule_From,
  Rule_To,
  Source,
} from '../../proto/generated/istio/security/v1beta1.ts';
import type { Report } from '../report.ts';
import { negated, operationLists, sourceLists } from './rule-lists.ts';

/** A rule in which something cannot be read, as one that matches no more, or no less, than what it may mean. */

type Lists<T> = readonly (keyof T & string)[];

/** Of a part, all of whose lists must match: those that one of the values must match, and those that none may. */
interface Shape<T> {
  readonly any: Lists<T>;
  readonly none: Lists<T>;
}

const SOURCE: Shape<Source> = { any: sourceLists, none: sourceLists.map(negated) };
const OPERATION: Shape<Operation> = { any: operationLists, none: operationLists.map(negated) };
const CONDITION: Shape<Condition> = { any: ['values'], none: ['notValues'] };

/** The part without the values of the lists that are wrong. A list that would lose all of them stays wrong. */
function withoutWrongValues<T extends object>(part: T, lists: Lists<T>, path: string, report: Report): T {
  const kept = { ...part } as Record<string, unknown>;
  for (const list of lists) {
    const at = `${path}.${list}`;
    if (!report.failed(at)) continue;
    kept[list] = report.keepSome(part[list] as readonly unknown[] | undefined, at, () => {});
  }
  return kept as T;
}

/**
 * The rule without the values, sources and operations that are wrong: it matches no more than what is meant. Where nothing would be left of
 * what must match, the rule stays wrong.
 */
export function narrowest(rule: Rule, path: string, report: Report): Rule {
  if (!report.failed(path)) return rule;
  const from = report.keepSome(rule.from, `${path}.from`, ({ source = {} }, at) => ({
    source: withoutWrongValues(source, SOURCE.any, `${at}.source`, report),
  }));
  const to = report.keepSome(rule.to, `${path}.to`, ({ operation = {} }, at) => ({
    operation: withoutWrongValues(operation, OPERATION.any, `${at}.operation`, report),
  }));
  const when = rule.when?.map((condition, i) =>
    withoutWrongValues(condition, CONDITION.any, `${path}.when[${i}]`, report),
  );
  return { from, to, when };
}

/** The rule, where what is wrong counts as met: it matches no less than what is meant. Nothing of it stays wrong in the report. */
export function widest(rule: Rule, path: string, report: Report): Rule {
  if (!report.failed(path)) return rule;
  const from = anyOf<Rule_From>(rule.from, `${path}.from`, report, ({ source = {} }, at) => ({
    source: withoutWrongLists(source, SOURCE, `${at}.source`, report),
  }));
  const to = anyOf<Rule_To>(rule.to, `${path}.to`, report, ({ operation = {} }, at) => {
    const paths = pathsWithin(operation.paths, `${at}.operation.paths`, report);
    return { operation: withoutWrongLists({ ...operation, paths }, OPERATION, `${at}.operation`, report) };
  });
  const when = rule.when?.flatMap((condition, i) => {
    const at = `${path}.when[${i}]`;
    const kept = withoutWrongLists(condition, CONDITION, at, report);
    return !report.failed(`${at}.key`) && (kept.values?.length || kept.notValues?.length) ? [kept] : [];
  });
  report.absorb(path);
  return { from, to, when };
}

/** The items of a list, one of which must match; undefined (anything will do) where one or all of them are missing. */
function anyOf<T>(
  items: readonly T[] | undefined,
  path: string,
  report: Report,
  widen: (item: T, path: string) => T,
): readonly T[] | undefined {
  const widened = items?.map((item, i) => {
    const at = `${path}[${i}]`;
    if (!report.failed(at)) return item;
    const wide = widen(item, at);
    report.absorb(at);
    return wide;
  });
  return report.failed(path) ? undefined : widened;
}

function withoutWrongLists<T extends object>(part: T, { any, none }: Shape<T>, path: string, report: Report): T {
  const kept = { ...withoutWrongValues(part, none, path, report) } as Record<string, unknown>;
  for (const list of [...any, ...none]) if (report.failed(`${path}.${list}`)) delete kept[list];
  return kept as T;
}

/** A path that is wrong counts for all paths that begin as it does: `/u/{}` for `/u/*`. */
function pathsWithin(
  paths: readonly string[] | undefined,
  path: string,
  report: Report,
): readonly string[] | undefined {
  return paths?.map((value, i) => {
    const at = `${path}[${i}]`;
    if (!report.failed(at)) return value;
    report.absorb(at);
    return value.replace(/[{*].*$|$/s, '*');
  });
}
