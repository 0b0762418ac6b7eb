import { celExpressions, type FormatPlace, formatFault } from '../proto/format.ts';
import { celFault } from './cel.ts';
import type { Report } from './report.ts';

/** What is wrong with a format for every version of Envoy, its expressions of CEL looked at; what only an older one lacks is not. */
export function formatFaultOfAll(text: string, place?: FormatPlace): string | undefined {
  const fault = formatFault(text, place);
  if (fault && fault.since === undefined) return fault.message;
  for (const expression of celExpressions(text)) {
    const wrong = celFault(expression);
    if (wrong) return `%CEL(${expression})% is no expression: ${wrong}`;
  }
  return undefined;
}

/** Reports a format of an access log that no Envoy takes. */
export function checkLogFormat(text: string | undefined, path: string, report: Report): void {
  const fault = text && formatFaultOfAll(text, LOG_PLACE);
  if (fault) report.error(path, `${fault}; the log is left out`);
}

/** Istio configures the extension that brings this command where it is used. */
const LOG_PLACE: FormatPlace = { extensions: new Set(['REQ_WITHOUT_QUERY']) };
