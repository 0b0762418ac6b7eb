import type { Telemetry } from '../../istio/config.ts';
import type * as telemetry from '../../proto/generated/istio/telemetry/v1alpha1.ts';
import { MetricsOverrides_TagOverride_Operation as TagOperation } from '../../proto/generated/istio/telemetry/v1alpha1.ts';
import { checkCondition } from '../cel.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { each, entry, type Report } from '../report.ts';
import { checkAttachment } from '../selector.ts';
import { parseIstio } from './istio.ts';

/** Reads a Telemetry. An entry of tracing, metrics or accessLogging that is invalid is left out. */
export const parseTelemetry = (raw: RawObject): Parsed<Telemetry> =>
  parseIstio('Telemetry', 'istio.telemetry.v1alpha1.Telemetry', raw, check);

function check(spec: telemetry.Telemetry, report: Report): telemetry.Telemetry {
  checkAttachment(spec, 'spec', report);
  if ((spec.tracing?.length ?? 0) > 1) report.warning('spec.tracing', 'only the first is in force');
  return {
    ...spec,
    tracing: report.keep(spec.tracing, 'spec.tracing', (tracing, at) => checkTracing(tracing, at, report)),
    metrics: report.keep(spec.metrics, 'spec.metrics', (metrics, at) => {
      checkProviders(metrics.providers, at, report);
      each(metrics.overrides, `${at}.overrides`, (override, place) => checkOverride(override, place, report));
    }),
    accessLogging: report.keep(spec.accessLogging, 'spec.accessLogging', (logging, at) => {
      checkProviders(logging.providers, at, report);
      if (logging.filter) checkCondition(logging.filter.expression, `${at}.filter.expression`, report);
    }),
  };
}

function checkProviders(providers: readonly telemetry.ProviderRef[] | undefined, path: string, report: Report): void {
  each(providers, `${path}.providers`, ({ name }, at) => {
    if (!name) report.error(`${at}.name`, 'the name of a provider of the mesh config is needed');
  });
}

function checkTracing(tracing: telemetry.Tracing, path: string, report: Report): void {
  checkProviders(tracing.providers, path, report);
  if ((tracing.providers?.length ?? 0) > 1) report.warning(`${path}.providers`, 'only the first is in force');
  const percent = tracing.randomSamplingPercentage?.value ?? 0;
  if (!(percent >= 0 && percent <= 100)) {
    report.error(`${path}.randomSamplingPercentage`, `${percent} is not in 0 to 100`);
  }
  for (const [name, tag] of Object.entries(tracing.customTags ?? {})) {
    const at = entry(`${path}.customTags`, name);
    if (!name) report.error(at, 'a tag needs a name');
    if (tag.literal && !tag.literal.value) report.error(`${at}.literal.value`, 'it is needed');
    if (tag.header && !tag.header.name) report.error(`${at}.header.name`, 'it is needed');
    if (tag.environment && !tag.environment.name) report.error(`${at}.environment.name`, 'it is needed');
  }
}

function checkOverride(override: telemetry.MetricsOverrides, path: string, report: Report): void {
  if (override.match?.customMetric === '') report.error(`${path}.match.customMetric`, 'it must not be empty');
  for (const [name, { operation = TagOperation.UPSERT, value }] of Object.entries(override.tagOverrides ?? {})) {
    const at = `${entry(`${path}.tagOverrides`, name)}.value`;
    if (operation === TagOperation.UPSERT && !value) report.error(at, 'operation UPSERT needs it');
    if (operation === TagOperation.REMOVE && value) report.error(at, 'operation REMOVE has none');
  }
}
