import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { calls, errorsOf, object, policy, refusedBy, storeOf } from './small-mesh.ts';

const all = calls;

/** What is written, and the calls that are refused: where no valid version is known (at first, after a restart), and after an edit of `valid`. */
interface Case {
  readonly says: string;
  readonly objects: readonly string[];
  /** Paths of errors. */
  readonly errors: readonly string[];
  readonly refused: readonly string[];
  readonly valid: string;
  readonly refusedAfterEdit: readonly string[];
}

const onlyA = policy('{rules: [{to: [{operation: {paths: [/a]}}]}]}');
const notB = policy('{action: DENY, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}]}');

const cases: readonly Case[] = [
  {
    says: 'the good rules of an ALLOW stay',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {paths: ["/u/{}"]}}]}]}')],
    errors: ['spec.rules[1].to[0].operation.paths[0]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{to: [{operation: {paths: [/b]}}]}]}'),
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'the good values of an ALLOW stay',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a, "/u/{}"]}}]}]}')],
    errors: ['spec.rules[0].to[0].operation.paths[1]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{}]}'),
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'an ALLOW of bad rules only allows nothing',
    objects: [policy('{rules: [{form: [{source: {namespaces: [x]}}]}, {when: [{key: nonsense, values: [a]}]}]}')],
    errors: ['spec.rules[0].form', 'spec.rules[1].when[0].key', ''],
    refused: all,
    valid: onlyA,
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'a DENY keeps its good rules, and a path that is none counts as far as it can be read',
    objects: [
      policy(
        '{action: DENY, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}, {to: [{operation: {paths: ["/u/{}"], ports: ["8080"]}}]}]}',
      ),
    ],
    errors: ['spec.rules[1].to[0].operation.paths[0]', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a'],
    valid: policy('{action: DENY, rules: [{to: [{operation: {paths: [/a], ports: ["8080"]}}]}]}'),
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a condition of a DENY that cannot be read counts as met, within the others',
    objects: [
      policy(
        '{action: DENY, rules: [{from: [{source: {principals: ["cluster.local/ns/default/sa/a"], ipBlocks: [10.0.0.0/99]}}]}]}',
      ),
    ],
    errors: ['spec.rules[0].from[0].source.ipBlocks[0]', ''],
    refused: ['GET /b as default/a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a rule of a DENY of which nothing can be read denies everything, until a valid version is known',
    objects: [policy('{action: DENY, rules: [{form: [{source: {namespaces: [x]}}]}]}')],
    errors: ['spec.rules[0].form', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY that says nothing denies nothing, but what its last valid version did',
    objects: [policy('{action: DENY}')],
    errors: ['spec.rules', ''],
    refused: [],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY with a field that may be its rules denies everything',
    objects: [policy('{action: DENY, rule: [{to: [{operation: {paths: [/b]}}]}]}')],
    errors: ['spec.rule', 'spec.rules', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'one of the values that a DENY makes an exception for is no exception',
    objects: [policy('{action: DENY, rules: [{to: [{operation: {notPaths: [/a, "/u/{}"], ports: ["8080"]}}]}]}')],
    errors: ['spec.rules[0].to[0].operation.notPaths[1]', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'an exception of an ALLOW that cannot be read is the rule',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {notPaths: ["/u/{}"]}}]}]}')],
    errors: ['spec.rules[1].to[0].operation.notPaths[0]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: onlyA,
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'an action that cannot be read denies',
    objects: [policy('{action: deny, rules: [{to: [{operation: {paths: [/b]}}]}]}')],
    errors: ['spec.action', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY whose selector cannot be read is for all whom it may be for',
    objects: [
      policy(
        '{action: DENY, selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/a], ports: ["8080"]}}]}]}',
      ),
      policy(
        '{action: DENY, selector: {matchLabels: {app: other, version: 5}}, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}]}',
        'other',
      ),
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'an ALLOW whose selector cannot be read holds where it is alone',
    objects: [policy('{selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/a]}}]}]}')],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{selector: {matchLabels: {app: client}}, rules: []}'),
    refusedAfterEdit: [],
  },
  {
    says: 'an ALLOW whose selector cannot be read allows nothing beside others',
    objects: [
      policy('{selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/b]}}]}]}'),
      policy('{rules: [{to: [{operation: {paths: [/a]}}]}]}', 'other'),
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{to: [{operation: {paths: [/u/*]}}]}]}'),
    refusedAfterEdit: ['GET /b', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'a PeerAuthentication whose mode cannot be read is STRICT',
    objects: ['PeerAuthentication it: {mtls: {mode: LOOSE}}'],
    errors: ['spec.mtls.mode', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a port of a PeerAuthentication that cannot be read is STRICT, and the rest of it holds',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: X}, 9000: {mode: DISABLE}}}',
    ],
    errors: ['spec.portLevelMtls["8080"].mode', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1'],
    valid:
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a STRICT PeerAuthentication stays STRICT beside ports that are none',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {http: {mode: DISABLE}}}',
    ],
    errors: ['spec.portLevelMtls.http', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
  },
  {
    says: 'a STRICT PeerAuthentication whose selector cannot be read is for all, before one for the namespace',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: "w*"}}, mtls: {mode: STRICT}}',
      'PeerAuthentication all: {mtls: {mode: PERMISSIVE}}',
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a PERMISSIVE PeerAuthentication whose selector cannot be read is for nobody',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: "w*"}}, mtls: {mode: PERMISSIVE}}',
      'PeerAuthentication all: {mtls: {mode: STRICT}}',
    ],
    errors: ['spec.selector.matchLabels.app'],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}',
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
  },
];

describe('what cannot be read never allows more', () => {
  for (const { says, objects, errors, refused, valid, refusedAfterEdit } of cases)
    test(says, () => {
      const first = storeOf(objects);
      const [it] = objects.map(object);
      assert.ok(it);
      assert.deepEqual(errorsOf(first, it), errors);
      assert.deepEqual(refusedBy(first, calls), refused, 'at first');
      const edited = storeOf([valid, ...objects.slice(1)]);
      assert.deepEqual(errorsOf(edited, it), []);
      edited.apply({ op: 'upsert', object: it });
      assert.deepEqual(refusedBy(edited, calls), refusedAfterEdit, 'after an edit');
    });
});
