import type { ProxyConfig } from '../../istio/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';

/** Reads a ProxyConfig. */
export const parseProxyConfig = (raw: RawObject): Parsed<ProxyConfig> =>
  parseIstio('ProxyConfig', 'istio.networking.v1beta1.ProxyConfig', raw, (spec, report) => {
    if (spec.selector) checkSelector(spec.selector.matchLabels, 'spec.selector.matchLabels', report);
    const threads = spec.concurrency?.value ?? 0;
    if (threads < 0) report.error('spec.concurrency', `${threads} is negative`);
    return report.without(spec, 'spec', ['concurrency']);
  });
