import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSame, canonical, read } from './answers.ts';
import { readHere, refusedHere } from './files.ts';
import { given, keptAnswers } from './kubectl.ts';

test('a text says what it says to kubectl', () => {
  const kept = keptAnswers();
  for (const [text, answer] of kept) assertSame(text, answer);
  assert.ok(kept.length > 2_000);
  const texts = new Set(kept.map(([text]) => text));
  assert.deepEqual(
    given.filter(text => !texts.has(text)),
    [],
    'texts that kubectl was not asked: UPDATE_GOLDEN=1 npm run test:system test/system/yaml.test.ts',
  );
  assert.ok(kept.filter(([, { error }]) => error === undefined).length > 1_000, 'most are YAML');
});

test('what kubectl leaves out is read, or a mistake', () => {
  for (const [text, documents] of readHere) {
    assert.equal(
      canonical(read(text)),
      canonical({ begun: documents.length, documents, twice: [] }),
      JSON.stringify(text),
    );
  }
  for (const [text, documents] of refusedHere) {
    const answer = read(text);
    assert.ok(answer.error !== undefined, JSON.stringify(text));
    assert.equal(answer.documents.length, documents, JSON.stringify(text));
  }
});

test('texts joined with --- are read one by one', () => {
  const whole = keptAnswers().filter(
    ([text, { error }]) => error === undefined && text.endsWith('\n') && !/^---/m.test(text),
  );
  for (let i = 0; i + 1 < whole.length; i += 2) {
    const [[first, a], [second, b]] = [whole[i] ?? ['', { documents: [] }], whole[i + 1] ?? ['', { documents: [] }]];
    if (read(first).error !== undefined || read(second).error !== undefined) continue;
    assert.equal(
      canonical(read(`${first}---\n${second}`).documents),
      canonical([...a.documents, ...b.documents]),
      first + second,
    );
  }
  assert.ok(whole.length > 1_000);
});
