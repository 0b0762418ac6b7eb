import type { ProxyConfig } from '../../model/config.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { parseIstio } from './istio.ts';

/** Reads a ProxyConfig. */
export const parseProxyConfig = (raw: RawObject): Parsed<ProxyConfig> =>
  parseIstio('ProxyConfig', 'istio.networking.v1beta1.ProxyConfig', raw, spec => spec);
