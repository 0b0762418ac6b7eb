import type { KubeSecret } from '../../istio/kubernetes.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { text, textMap } from '../read.ts';
import { parseKube } from './kube.ts';

const base64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** Reads a Secret: `data` in base64, over it `stringData` as files may have it. Values never appear in a problem. */
export const parseSecret = (raw: RawObject): Parsed<KubeSecret> =>
  parseKube('Secret', raw, (meta, report) => {
    const data: Record<string, Uint8Array> = {};
    const silent = { ...raw, data: strings(raw['data']), stringData: strings(raw['stringData']) };
    for (const [name, value] of Object.entries(textMap(silent, 'data', '', report))) {
      if (base64.test(value)) data[name] = Buffer.from(value, 'base64');
      else report.error(`data.${name}`, 'not base64');
    }
    for (const [name, value] of Object.entries(textMap(silent, 'stringData', '', report)))
      data[name] = Buffer.from(value);
    const type = text(raw, 'type', '', report) || 'Opaque';
    return { kind: 'Secret', meta, type, data };
  });

/** Anything that is no string is hidden from the reader, whose problems would print it. */
const strings = (map: unknown): unknown =>
  typeof map === 'object' && map !== null
    ? Object.fromEntries(Object.entries(map).map(([key, value]) => [key, typeof value === 'string' ? value : null]))
    : undefined;
