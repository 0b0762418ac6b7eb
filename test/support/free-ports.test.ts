import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { freePorts } from './free-ports.ts';

const file = join(import.meta.dirname, 'free-ports.ts');

test('processes that ask at the same time, and bind later or not at all, are given ports that nobody else is given', async () => {
  const asks = `const { freePorts } = await import(${JSON.stringify(file)});
    const given = [];
    for (let i = 0; i < 80; i++) given.push(await freePorts(), (await freePorts(3)) + 2);
    console.log(JSON.stringify(given));
    process.stdin.resume();`;
  const others = [1, 2, 3].map(() => execFile(process.execPath, ['--input-type=module', '--eval', asks]));
  const given = await Promise.all(
    others.map(async ({ stdout }) => {
      const [said] = (await once(createInterface({ input: stdout ?? assert.fail() }), 'line')) as [string];
      return JSON.parse(said) as readonly number[];
    }),
  );
  const own = await Promise.all(Array.from({ length: 80 }, () => freePorts()));
  for (const other of others) other.stdin?.end();
  const all = [...given.flat(), ...own];
  assert.equal(all.length, 3 * 160 + 80);
  assert.equal(new Set(all).size, all.length);
});
