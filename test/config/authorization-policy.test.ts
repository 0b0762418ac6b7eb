import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthorizationPolicy_Action as Action } from '../../src/proto/generated/istio/security/v1beta1.ts';
import { parsed } from './parsed.ts';

const nameOf = (action: Action = Action.ALLOW) => Object.entries(Action).find(([, value]) => value === action)?.[0];

/** What is in force of a policy that is not valid: `DENY` and its rules in JSON, and what is said of it. */
function inForce(
  spec: string,
  { last, annotations = {} }: { last?: string; annotations?: Record<string, string> } = {},
) {
  const read = parsed('AuthorizationPolicy', spec, { annotations });
  assert.ok(!read.ok, 'it is not valid');
  const before = last === undefined ? undefined : parsed('AuthorizationPolicy', last);
  assert.ok(!before || before.ok);
  const closed = read.close?.(before?.ok ? before.value : undefined);
  if (!closed) return undefined;
  const { spec: made, meta, onlyRestricts } = closed.value;
  return {
    is: `${nameOf(made.action)} ${JSON.stringify(made.rules)}`,
    meaning: closed.meaning,
    ...(onlyRestricts && { onlyRestricts }),
    ...('istio.io/dry-run' in meta.annotations && { rehearsal: true }),
  };
}

const good = '{to: [{operation: {ports: ["80"]}}]}';
const other = '{to: [{operation: {ports: ["81"]}}]}';
const bad = '{to: [{operation: {ports: [http]}}]}';
const half = '{to: [{operation: {ports: ["80"], methods: [""]}}]}';
const [goodJson, otherJson] = ['80', '81'].map(port => `{"to":[{"operation":{"ports":["${port}"]}}]}`);
const allJson = '{"to":[{"operation":{}}]}';

const more = 'what cannot be read of it counts as met: it is for more requests than it says';
const everyone = 'nothing can be read of one of its rules, which counts as met: it is for every request';
const denied = 'whether it allows or denies cannot be read: everything is denied';
const nothing = 'no rule of it can be read: it allows nothing';
const beside = 'for whom it is cannot be read: beside other ALLOW policies it allows nothing';

const cases: readonly [title: string, spec: string, is: string, meaning: string, more?: object][] = [
  ['a part of a rule of a DENY', `{action: DENY, rules: [${half}]}`, `DENY [${goodJson}]`, more],
  ['all of a rule of a DENY', `{action: DENY, rules: [${good}, ${bad}]}`, `DENY [${goodJson},${allJson}]`, everyone],
  [
    'all of one of the operations of a DENY',
    '{action: DENY, rules: [{to: [{operation: {ports: [http]}}, {operation: {ports: ["80"]}}]}]}',
    'DENY [{"to":[{"operation":{}},{"operation":{"ports":["80"]}}]}]',
    everyone,
  ],
  [
    'all of one of the sources of a DENY',
    '{action: DENY, rules: [{from: [{source: {ipBlocks: [x]}}, {source: {namespaces: [a]}}]}]}',
    'DENY [{"from":[{"source":{}},{"source":{"namespaces":["a"]}}]}]',
    everyone,
  ],
  ['a rule for everyone beside a wrong one', `{action: DENY, rules: [{}, ${half}]}`, `DENY [{},${goodJson}]`, more],
  ['a DENY without rules', '{action: DENY}', 'DENY []', more],
  ['a list of rules that is none', '{action: DENY, rules: 12}', 'DENY [{}]', everyone],
  ['a rule that is none', `{action: DENY, rules: [${good}, 12]}`, `DENY [${goodJson},{}]`, everyone],
  ['a field of a DENY that is not known', `{action: DENY, rules: [${good}], x: 1}`, `DENY [${goodJson}]`, more],
  ['a field of a DENY without rules that is not known', '{action: DENY, rules: [], x: 1}', 'DENY [{}]', everyone],
  ['no rule of an ALLOW', `{rules: [${bad}]}`, 'ALLOW []', nothing],
  ['an action that is none', `{action: MAYBE, rules: [${good}]}`, 'DENY [{}]', denied],
  ['a field that is not known', `{x: 1, rules: [${good}]}`, 'DENY [{}]', denied],
  [
    'for whom an ALLOW is',
    `{selector: {matchLabels: {a: "*"}}, rules: [${good}, ${bad}]}`,
    `ALLOW [${goodJson}]`,
    beside,
    { onlyRestricts: true },
  ],
  [
    'for whom a DENY is',
    `{selector: {matchLabels: {a: "*"}}, action: DENY, rules: [${good}]}`,
    `DENY [${goodJson}]`,
    more,
  ],
];

for (const [title, spec, is, meaning, also = {}] of cases)
  test(`what is in force where nothing was before, of a policy with a mistake in: ${title}`, () =>
    assert.deepEqual(inForce(spec), { is, meaning, ...also }));

test('a rehearsal that cannot be read as one is none', () => {
  const annotations = { 'istio.io/dry-run': 'perhaps' };
  const is = `DENY [${goodJson}]`;
  assert.deepEqual(inForce(`{action: DENY, rules: [${good}]}`, { annotations }), { is, meaning: more });
  assert.deepEqual(inForce(`{rules: [${good}]}`, { annotations }), {
    is: `ALLOW [${goodJson}]`,
    meaning: beside,
    onlyRestricts: true,
  });
  // One that can be read stays one.
  const read = { annotations: { 'istio.io/dry-run': 'true' } };
  assert.deepEqual(inForce(`{action: DENY, rules: [${half}]}`, read), { is, meaning: more, rehearsal: true });
});

test('beside what is right of a DENY, the rules of its last valid version are in force', () => {
  const meaning = 'its valid rules are in force, and beside them those of its last valid version';
  const spec = `{action: DENY, rules: [${other}, ${bad}]}`;
  assert.deepEqual(inForce(spec, { last: `{action: DENY, rules: [${good}, ${other}]}` }), {
    is: `DENY [${otherJson},${goodJson}]`,
    meaning,
  });
  // Where an ALLOW was, or is, or it cannot be said for whom or what it is, the last version alone is in force.
  assert.equal(inForce(spec, { last: `{rules: [${good}]}` }), undefined);
  const last = `{action: DENY, rules: [${good}]}`;
  for (const now of [
    `{rules: [${bad}]}`,
    `{action: DENY, x: 1, rules: [${other}]}`,
    `{action: DENY, selector: {matchLabels: {a: "*"}}, rules: [${other}]}`,
  ])
    assert.equal(inForce(now, { last }), undefined, now);
  const annotations = { 'istio.io/dry-run': 'perhaps' };
  assert.equal(inForce(`{action: DENY, rules: [${other}]}`, { last, annotations }), undefined);
});

test('a DENY of HTTP attributes only is told to deny all of TCP', () => {
  const warned = (rule: string, action = 'DENY') =>
    parsed('AuthorizationPolicy', `{action: ${action}, rules: [${rule}]}`).problems.some(({ message }) =>
      message.startsWith('of HTTP attributes only'),
    );
  const http = '{operation: {methods: [GET]}}';
  const [user, address] = ['{source: {requestPrincipals: [a]}}', '{source: {notIpBlocks: [10.0.0.0/8]}}'];
  const rules: readonly [rule: string, isTold: boolean][] = [
    [`{to: [${http}]}`, true],
    [`{to: [${http}, {operation: {ports: ["80"]}}]}`, false],
    ['{to: [{operation: {methods: [GET], notPorts: ["80"]}}]}', false],
    [`{from: [${user}]}`, true],
    [`{from: [${user}, ${address}]}`, false],
    [`{from: [${address}], to: [${http}]}`, true],
    [`{from: [${user}], to: [{operation: {ports: ["80"]}}]}`, false],
    ['{}', false],
  ];
  for (const [rule, isTold] of rules) assert.equal(warned(rule), isTold, rule);
  assert.equal(warned(`{to: [${http}]}`, 'ALLOW'), false);
});

test('an AUDIT needs no rules', () => assert.ok(parsed('AuthorizationPolicy', '{action: AUDIT}').ok));
