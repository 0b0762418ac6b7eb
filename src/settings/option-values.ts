/** What is typed for options, as values. What cannot be read throws a UsageError that names the option, and says what was expected. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { UsageError } from '../command.ts';
import { hostFault, isDnsLabel } from '../config/host.ts';
import type { Pace } from '../security/rotation.ts';
import { isRange } from '../sources/jwks/ranges.ts';
import type { Address } from './address.ts';

/** Takes connections of every family that the machine has: a socket on `::` takes those of IPv4, too. */
const everyAddress = (): string =>
  Object.values(networkInterfaces()).some(list => list?.some(({ family }) => family === 'IPv6')) ? '::' : '0.0.0.0';

/** Reads `host:port` or `[IPv6]:port` to listen on; an empty host means every address. */
export function address(option: string, text: string, everywhere = everyAddress()): Address {
  const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]*)\]|([^[\]]*)):(\d+)$/.exec(text) ?? [];
  if (isIP(text) === 6 || isIP(plain) === 6)
    throw new UsageError(`--${option}: '${text}': an IPv6 address stands in brackets, such as [::1]:15010`);
  const port = Number(digits);
  const fits = bracketed === undefined ? /^[\w.-]*$/.test(plain) : isIP(bracketed) === 6;
  if (!digits || port > 65535 || !fits)
    throw new UsageError(`--${option}: '${text}' is no address; expected HOST:PORT or :PORT, such as :15010`);
  return { host: bracketed ?? (plain || everywhere), port };
}

/** Words for people to choose from: `a, b or c`. */
export const either = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

/** Reads one of some words. */
export function oneOf<const W extends string>(option: string, text: string, words: readonly W[]): W {
  const found = words.find(word => word === text);
  if (found === undefined) throw new UsageError(`--${option}: '${text}'; expected ${either(words)}`);
  return found;
}

/** Reads the name of a revision. */
export function revisionName(text: string): string {
  if (isNamespace(text)) return text;
  throw new UsageError(`--revision: '${text}' cannot be a revision; expected one such as canary or 1-31`);
}

/** Reads a share: more than 0, at most 1. */
export function share(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1))
    throw new UsageError(`--${option}: '${text}' is no share; expected a number above 0 and at most 1, such as 0.25`);
  return value;
}

/** In seconds. */
export const DAY = 86_400;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: DAY * 1_000 };

/** Milliseconds; NaN where it is no duration. */
const milliseconds = (text: string): number => {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return number ? Number(number) * (unitMs[unit] ?? 0) : Number.NaN;
};

/** Reads a duration in seconds, up to `most`: `90s`, `30m`, `24h`, `7d`. */
export function duration(option: string, text: string, most: number): number {
  const value = /^\d+[smhd]$/.test(text) ? milliseconds(text) / 1_000 : 0;
  if (!(value > 0))
    throw new UsageError(`--${option}: '${text}' is no duration; expected one such as 90s, 30m, 24h or 7d`);
  if (value > most) throw new UsageError(`--${option}: '${text}' is too long, at most ${most / DAY}d`);
  return value;
}

/** Reads how long the steps of a rotation last. */
export function pace(option: string, text: string): Pace {
  const [beforeSigning = Number.NaN, beforeDropping = Number.NaN, ...more] = text
    .split(',')
    .map(part => milliseconds(part.trim()));
  if (more.length || Number.isNaN(beforeSigning) || Number.isNaN(beforeDropping))
    throw new UsageError(`--${option}: '${text}'; expected two durations such as 1h,24h`);
  return { beforeSigning, beforeDropping };
}

/** Reads an address to listen on; nowhere where it is empty. */
export const addressOrNone = (option: string, text: string): Address | undefined =>
  text === '' ? undefined : address(option, text);

/** Reads `host:port` to connect to: this machine where there is no host. */
export function peerAddress(option: string, text: string): Address {
  const peer = address(option, text, '127.0.0.1');
  if (peer.port === 0) throw new UsageError(`--${option}: '${text}': nothing listens on port 0`);
  return peer;
}

/** Reads a list of what `fits`, with commas between. */
function list(option: string, text: string | undefined, fits: (item: string) => boolean, wrong: string) {
  const items = (text ?? '').split(',').flatMap(item => item.trim() || []);
  const odd = items.find(item => !fits(item));
  if (odd !== undefined) throw new UsageError(`--${option}: '${odd}' ${wrong}`);
  return items;
}

/** Reads a list of ranges of addresses. */
export const ranges = (option: string, text: string | undefined): readonly string[] =>
  list(option, text, isRange, 'is no range of addresses; expected one such as 10.0.0.0/8 or fd00::/8');

export const isNamespace = (text: string): boolean => isDnsLabel(text) && text === text.toLowerCase();

/** Reads a list of namespaces. */
export const namespaces = (option: string, text: string | undefined): readonly string[] =>
  list(option, text, isNamespace, 'cannot be the name of a namespace');

const isHost = (text: string): boolean => isIP(text) !== 0 || hostFault(text) === undefined;

/** Reads a list of host names. */
export const hosts = (option: string, text: string | undefined): readonly string[] =>
  list(option, text, isHost, 'is no host name; expected one such as istiod.example.com').map(host =>
    host.toLowerCase().replace(/\.$/, ''),
  );
