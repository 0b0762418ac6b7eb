import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '../../src/config/problem.ts';
import type { PageRequest } from '../../src/http/page.ts';
import { type Readiness, readiness, type WatchState } from '../../src/http/ready.ts';
import { objectKey } from '../../src/object-key.ts';

const problem: Problem = {
  object: objectKey('Secret', 'istio-system', 'cacerts'),
  path: 'ca-key.pem',
  message: 'is missing',
  severity: 'error',
};
const watching: WatchState = { name: 'Service', state: 'watching' };
const failing = (name: string): WatchState => ({ name, state: 'failing', lastError: '403' });

/** The status and the first line, in short and verbose alike. */
async function said(state: Partial<Readiness>): Promise<readonly [number | undefined, string]> {
  const page = readiness(() => ({ whole: true, connections: 0, watches: [watching], ...state })).page;
  const [short, verbose] = await Promise.all(
    ['', 'verbose'].map(query => page({ query: new URLSearchParams(query) } as PageRequest)),
  );
  assert.equal(short?.status, verbose?.status);
  const [line = ''] = String(short?.body).split('\n');
  assert.equal(String(verbose?.body).split('\n')[0], line);
  return [short?.status, line];
}

test('ready once the world is whole and the TLS port is open, where there is to be one; else it says what lacks', async () => {
  const closed = 'not ready: the TLS port is closed:';
  const unread = "the Secrets of the mesh's certificate authority have not been read yet";
  const table: readonly (readonly [Partial<Readiness>, number, string])[] = [
    [{}, 200, 'ready'],
    [{ tls: { open: true, problems: [] } }, 200, 'ready'],
    [{ tls: { open: true, problems: [problem] } }, 200, 'ready'],
    [{ watches: [failing('Pod')] }, 200, 'ready'],
    [{ whole: false }, 503, 'not ready: not every kind of object has been listed yet'],
    [
      { whole: false, watches: [watching, ...['A', 'B', 'C', 'D'].map(failing)] },
      503,
      'not ready: not every kind of object has been listed yet (A: 403; B: 403; C: 403; and 1 more)',
    ],
    [{ tls: { open: false, problems: [] } }, 503, `${closed} ${unread}`],
    [
      { tls: { open: false, problems: [] }, watches: [failing('Secret/istio-system/cacerts of the CA')] },
      503,
      `${closed} ${unread} (Secret/istio-system/cacerts of the CA: 403)`,
    ],
    [
      { tls: { open: false, problems: [problem] }, watches: [failing('Pod')] },
      503,
      `${closed} Secret/istio-system/cacerts ca-key.pem: is missing`,
    ],
    [{ tls: { open: true, problems: [] }, injection: true }, 200, 'ready'],
    [
      { tls: { open: true, problems: [] }, injection: false, watches: [failing('ConfigMap/a/b')] },
      503,
      'not ready: the settings of injection have not been read yet (ConfigMap/a/b: 403)',
    ],
  ];
  for (const [state, status, line] of table) assert.deepEqual(await said(state), [status, line]);
});
