import { isIP, isIPv6 } from 'node:net';
import type { Report } from './report.ts';

/** Whether a text is an IP address; one with a zone (`fe80::1%eth0`) means something on one machine only and is none. */
export const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%');

/** Whether a text is a block of addresses: `10.0.0.0/8`, `2001:db8::/32`. */
export function isCidr(text: string): boolean {
  const match = /^([^/%]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  if (!match) return false;
  const [, address = '', bits = ''] = match;
  return isAddress(address) && Number(bits) <= (isIPv6(address) ? 128 : 32);
}

/** Reports what is not an IP address. */
export function checkAddress(text: string, path: string, report: Report): void {
  if (!isAddress(text)) report.error(path, `"${text}" is not an IP address`);
}

/** The texts of a list that are IP addresses; reports the others. */
export const addressesIn = (list: readonly string[], path: string, report: Report): readonly string[] =>
  list.filter((text, i) => {
    if (isAddress(text)) return true;
    report.error(`${path}[${i}]`, `"${text}" is not an IP address`);
    return false;
  });

/** What is wrong with a text that should be an IP address or a block of them. */
export const subnetFault = (text: string): string | undefined =>
  isAddress(text) || isCidr(text) ? undefined : `"${text}" is neither an IP address nor a CIDR block`;

/** Reports what is neither an IP address nor a block of them. */
export function checkSubnet(text: string, path: string, report: Report): void {
  const fault = subnetFault(text);
  if (fault) report.error(path, fault);
}

/** The prefix of a Unix socket's path where an address may stand. */
export const unixPrefix = 'unix://';

/** Reports a path that is no socket's: it must be absolute, or begin with `@` (abstract). */
export function checkSocketPath(path: string, at: string, report: Report): void {
  if (path.startsWith('@')) return;
  if (!path.startsWith('/') || path.endsWith('/')) report.error(at, `"${path}" is not the absolute path of a socket`);
}
