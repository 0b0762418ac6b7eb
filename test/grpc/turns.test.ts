import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ration } from '../../src/grpc/ration.ts';
import { Turns, type Waiting } from '../../src/grpc/turns.ts';
import { until } from '../support/until.ts';

/** Longer than a slice. */
const busy = (): void => {
  const end = performance.now() + 6;
  while (performance.now() < end);
};

/** Somebody with messages that take two long steps each: to read it, and to take it in. */
class Peer implements Waiting {
  readonly known: boolean;
  begun = false;
  inLine = false;
  left: number;
  readonly #log: string[];
  readonly #name: string;

  constructor(name: string, known: boolean, messages: number, log: string[]) {
    this.#name = name;
    this.known = known;
    this.left = messages;
    this.#log = log;
  }

  step(): boolean {
    if (!this.begun && this.left === 0) return false;
    busy();
    this.#log.push(`${this.begun ? 'takes in' : 'reads'} ${this.#name}`);
    if (this.begun) this.left--;
    this.begun = !this.begun;
    return true;
  }
}

for (const known of [true, false])
  test(`what has been read is taken in before more is read, ${known ? 'of those who are known' : 'of newcomers'}`, async () => {
    const log: string[] = [];
    const turns = new Turns(new Ration());
    const peers = ['a', 'b', 'c'].map(name => new Peer(name, known, 2, log));
    for (const peer of peers) turns.run(peer);
    await until('all to be done', () => peers.every(({ left }) => left === 0));
    assert.equal(log.length, 12);
    for (let at = 0; at < log.length; at += 2) assert.equal(log[at + 1], log[at]?.replace('reads', 'takes in'));
  });

test('who is known goes before newcomers', async () => {
  const log: string[] = [];
  const turns = new Turns(new Ration());
  const newcomer = new Peer('newcomer', false, 3, log);
  const known = new Peer('known', true, 1, log);
  turns.run(newcomer);
  turns.run(known);
  await until('both to be done', () => newcomer.left + known.left === 0);
  assert.equal(log.indexOf('takes in known'), 2);
});
