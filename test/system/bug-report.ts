import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LabCluster } from './lab-cluster.ts';

/** The pages that istioctl 1.31 collects of each replica; none of them where one fails. */
export const COLLECTED = [
  'adsz',
  'ambientz',
  'authorizationz',
  'cachez',
  'clusterz',
  'configz',
  'endpointShardz',
  'endpointz',
  'inject',
  'instancesz',
  'krtz',
  'mcsz',
  'mesh',
  'networkz',
  'push_status',
  'registryz',
  'resourcesz',
  'syncz',
  'telemetryz',
] as const;

/** Has istioctl make a report; resolves to the files in it that are not empty. */
export async function bugReport(cluster: LabCluster): Promise<ReadonlySet<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'bug-report-'));
  try {
    const where = ['--dir', join(folder, 'collected'), '--output-dir', folder];
    const said = await cluster.istioctl('bug-report', ...where, '--skip-analyze');
    const archive = (await readdir(folder)).find(name => name.endsWith('.tar.gz'));
    if (!archive) throw new Error(said);
    const { stdout } = await promisify(execFile)('tar', ['tzvf', join(folder, archive)]);
    const files = stdout.split('\n').map(line => line.trim().split(/\s+/));
    return new Set(files.filter(([, , size]) => Number(size) > 0).map(fields => fields.at(-1) ?? ''));
  } finally {
    await rm(folder, { recursive: true });
  }
}
