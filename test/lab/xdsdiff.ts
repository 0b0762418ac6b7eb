#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare, readDump, report } from '../support/xds-diff.ts';

const usage = `usage: xdsdiff.ts REFERENCE.json OURS.json [-v N] [--min PERCENT]

Compares what two control planes send one proxy (files of xdsdump or of pilotlight translate), resource by resource.
  -v N            show up to N differences of each resource
  --min PERCENT   exit with 1 where fewer resources than that are equal
`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    shown: { type: 'string', short: 'v', default: '0' },
    min: { type: 'string', default: '0' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [reference, ours] = positionals;
if (values.help || reference === undefined || ours === undefined) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}
const comparison = compare(readDump(readFileSync(reference, 'utf8')), readDump(readFileSync(ours, 'utf8')));
process.stdout.write(`${report(comparison, Number(values.shown))}\n`);
if (comparison.total > 0 && (100 * comparison.equal) / comparison.total < Number(values.min)) process.exitCode = 1;
