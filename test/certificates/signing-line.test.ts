import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningLine } from '../../src/certificates/signing-line.ts';

const here = (): boolean => false;

test('who waits comes before who has a certificate, connections in turn, and one at a time', async () => {
  const line = new SigningLine();
  const order: string[] = [];
  let atOnce = 0;
  const sign = (name: string) => async (): Promise<string> => {
    assert.equal(++atOnce, 1, 'one at a time');
    await new Promise(resolve => setImmediate(resolve));
    atOnce--;
    order.push(name);
    return name;
  };
  const all = [
    line.later(sign('renewal')),
    line.first('a', here, sign('a1')),
    line.first('a', here, sign('a2')),
    line.first('a', here, sign('a3')),
    line.first('b', here, sign('b1')),
    line.later(sign('another renewal')),
  ];
  assert.deepEqual(await Promise.all(all), ['renewal', 'a1', 'a2', 'a3', 'b1', 'another renewal']);
  // The first to come finds nobody before it.
  assert.deepEqual(order, ['renewal', 'a1', 'b1', 'a2', 'a3', 'another renewal']);
});

test('nothing is signed for who has gone, and what fails fails alone', async () => {
  const line = new SigningLine();
  let signed = 0;
  const failing = line.first('a', here, async () => {
    throw new Error('it cannot');
  });
  const gone = line.first(
    'a',
    () => true,
    async () => ++signed,
  );
  const last = line.later(async () => ++signed);
  await assert.rejects(failing, /it cannot/);
  assert.equal(await gone, undefined);
  assert.equal(await last, 1);
});
