import { findAllFaults, pathText } from '../../proto/faults.ts';
import type { AnyMessage } from '../../proto/message.ts';

/** What every Envoy would refuse a message for by its rules, in words. */
export function* ruleFaults(type: string, message: object): Iterable<string> {
  for (const { path, message: text, since } of findAllFaults(type, message as AnyMessage))
    if (since === undefined) yield `${pathText(path)} ${text}`;
}
