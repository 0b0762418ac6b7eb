import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { type Kind, type KindTypes, kinds } from '../../src/config/kinds.ts';
import type { Parsed } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';

/** A raw object of a kind with the spec in YAML. */
export function raw(kind: Kind, spec: string, metadata: Record<string, unknown> = {}): RawObject {
  const { group, versions } = kinds[kind];
  return {
    apiVersion: group ? `${group}/${versions[0]}` : versions[0],
    kind,
    metadata: { name: 'it', namespace: 'default', ...metadata },
    spec: parse(spec),
  };
}

/** Reads an object of a kind from the YAML of its spec. */
export const parsed = <K extends Kind>(
  kind: K,
  spec: string,
  metadata?: Record<string, unknown>,
): Parsed<KindTypes[K]> => kinds[kind].parse(raw(kind, spec, metadata)) as Parsed<KindTypes[K]>;

/** A spec, the paths of the errors in it, and whether the object is of use all the same. */
export type Case = readonly [title: string, spec: string, errors: readonly string[], outcome?: 'valid' | 'invalid'];

/** Runs a table of specs of a kind; an outcome that is not said is `invalid` where there are errors. */
export function table(kind: Kind, cases: readonly Case[], metadata?: Record<string, unknown>): void {
  for (const [title, spec, errors, outcome] of cases) {
    test(`${kind}: ${title}`, () => {
      const result = parsed(kind, spec, metadata);
      const found = result.problems.filter(problem => problem.severity === 'error').map(problem => problem.path);
      assert.deepEqual([...new Set(found)].sort(), [...errors].sort(), JSON.stringify(result.problems, null, 1));
      assert.equal(result.ok, (outcome ?? (errors.length ? 'invalid' : 'valid')) === 'valid');
    });
  }
}

/** The spec of an object that must be valid. */
export function specOf<K extends Kind>(kind: K, spec: string): unknown {
  const result = parsed(kind, spec);
  assert.ok(result.ok, JSON.stringify(result.problems));
  return 'spec' in result.value ? JSON.parse(JSON.stringify(result.value.spec)) : undefined;
}
