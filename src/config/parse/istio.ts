import type { ConfigObject } from '../../istio/config.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import type { MessageTypes } from '../../proto/generated/registry.ts';
import { fromJson, type JsonProblem } from '../../proto/json.ts';
import { readMeta } from '../meta.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';

/** As `close` of `Parsed`, for an object as far as it could be read. `report` says which parts of it are wrong. */
export type CloseRead<K extends string, Spec> = (
  read: ConfigObject<K, Spec>,
  report: Report,
  last: ConfigObject<K, Spec> | undefined,
) => Closed<ConfigObject<K, Spec>> | undefined;

/**
 * Reads an Istio object: first its schema, then what the schema cannot say. `check` returns the spec without the parts that are invalid; an
 * error outside of such parts makes the object invalid. `close` is for kinds that restrict.
 */
export function parseIstio<K extends string, N extends keyof MessageTypes>(
  kind: K,
  message: N,
  raw: RawObject,
  check: (spec: MessageTypes[N], report: Report, meta: ObjectMeta) => MessageTypes[N],
  close?: CloseRead<K, MessageTypes[N]>,
): Parsed<ConfigObject<K, MessageTypes[N]>> {
  const { meta, report } = readMeta(kind, raw);
  if (!meta.name) return { ok: false, problems: report.problems };
  const { value: read, problems } = fromJson(message, raw['spec'] ?? {});
  reportSchema(problems, 'spec', report, restricting[kind]);
  if ('istio.io/dry-run' in meta.annotations && kind !== 'AuthorizationPolicy') {
    report.error(dryRun, 'only an AuthorizationPolicy can be a dry run');
  }
  const spec = check(read, report, meta);
  const { problems: found, dropped } = report;
  const value = { kind, meta, spec, ...(Object.keys(dropped).length && { leftOut: dropped }) };
  if (['spec', 'metadata.name', dryRun].some(part => report.failed(part))) {
    return { ok: false, problems: found, ...(close && { close: last => close(value, report, last) }) };
  }
  return { ok: true, value, problems: found };
}

/** The path of the annotation that makes an AuthorizationPolicy a rehearsal. */
export const dryRun = 'metadata.annotations["istio.io/dry-run"]';

/** Parts that say to whom or to what something applies: without a field that we do not know they would apply to more. */
const narrowing = /(?:^|[.\]])(?:match|rules|selector|workloadSelector|targetRefs?|exportTo|fromHeaders)(?:[.[]|$)/;

/** By kind: further parts in which a field that we do not know may be one that restricts. */
const restricting: Readonly<Record<string, RegExp>> = {
  AuthorizationPolicy: /^/,
  RequestAuthentication: /^/,
  PeerAuthentication: /^/,
  Sidecar: /^(?:\w+$|outboundTrafficPolicy)/,
  Gateway: /^servers/,
  DestinationRule: /(?:^|\.)tls\./,
};

const nothing = /(?!)/;

/**
 * Reports what the reader of the schema found. An unknown field is left out with a warning, as the API server does it, except where that
 * would widen what is meant. What Go's reader passes over and the API server refuses is an error.
 */
export function reportSchema(
  problems: readonly JsonProblem[],
  at: string,
  report: Report,
  restricts: RegExp = nothing,
): void {
  const place = (path: string) => (path === '' ? at : path.startsWith('[') ? at + path : `${at}.${path}`);
  for (const { path, message, kind } of problems) {
    if (kind === 'unknown field' && !narrowing.test(path) && !restricts.test(path)) {
      report.warning(place(path), message);
    } else report.error(place(path), message);
  }
  report.leftOut(problems.filter(({ kind }) => kind === 'invalid').map(({ path }) => place(path)));
}
