import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatTranscript, PRINTERS, parseTranscript, printedBy, unexplained } from '../system/transcript.ts';
import { readTranscript, transcriptText, WALKTHROUGHS } from '../system/walkthroughs.ts';

describe('transcripts of published walkthroughs', () => {
  for (const name of WALKTHROUGHS)
    test(`${name}: whoever prints another thing than the others, it is said why`, () => {
      const transcript = readTranscript(name);
      assert.deepEqual(unexplained(transcript), []);
      assert.equal(formatTranscript(transcript), transcriptText(name));
      const shown = transcript.parts.flatMap(part => (typeof part === 'string' ? [] : (part.rows ?? [])));
      const counts = [...PRINTERS].map(mark => shown.filter(({ printers }) => printers.has(mark as 'p')).length);
      assert.ok(Math.min(...counts) > 50, `rows of ${PRINTERS}: ${counts}`);
    });

  test("of Istio's proxy ours print what istiod prints, but for other proxies in the mesh, CRDs that are not brought and webhooks", () => {
    const rows = WALKTHROUGHS.flatMap(name =>
      readTranscript(name).parts.flatMap(part => (typeof part === 'string' ? [] : (part.rows ?? []))),
    );
    const others = rows.filter(({ printers }) => printers.has('i') !== printers.has('a'));
    assert.ok(others.length < rows.length / 50);
    assert.deepEqual([...new Set(others.map(({ why }) => why))].sort(), ['kinds', 'spared', 'stock']);
  });

  test('a difference that nobody explains is found, and so is a reason that is given for nothing', () => {
    const text =
      '= since  Istio prints it so today.\n$ a\npiae           1  2\np.ae           3\n.i.. since     4  ·  5';
    const transcript = parseTranscript(text);
    assert.deepEqual(unexplained(transcript), ['a:  3']);
    assert.deepEqual(
      printedBy(
        transcript.parts.flatMap(part => (typeof part === 'string' ? [] : (part.rows ?? []))),
        'i',
      ),
      ['1  2', '4  ·  5'],
    );
    assert.deepEqual(unexplained(parseTranscript('= since  Today.\n$ a\npiae           1')), ['since']);
    assert.deepEqual(unexplained(parseTranscript('$ a\npiae since     1')), ['a: since 1']);
    assert.throws(() => parseTranscript('$ a\nwhat is this'), /neither a command nor a row of one: what is this/);
  });
});
