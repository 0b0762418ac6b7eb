import { addTo } from '../lists.ts';
import type { Fault } from '../proto/faults.ts';
import type { Any } from '../proto/generated/google/protobuf.ts';
import {
  type AnyMessage,
  decodeMessage,
  encodeMessage,
  type MessageName,
  type MessageTypes,
} from '../proto/message.ts';
import type { Step } from '../proto/report.ts';
import { type FieldSchema, schemaOf } from '../proto/schema.ts';
import { typeName } from '../proto/type-url.ts';
import { remedyOf } from './remedies.ts';

/** What was done about a fault. */
export interface Mending {
  readonly fault: Fault;
  /** What its users have instead: `the header is left out`. */
  readonly instead: string;
  /** The way to it from a part that MeshConfig says; absent where the resource's own objects do. */
  readonly withinMeshPart?: readonly Step[];
}

/** A message without what Envoy refuses; undefined where nothing of it can be sent. */
export interface Mended<M> {
  readonly message: M | undefined;
  readonly mendings: readonly Mending[];
}

/** Faults by the next step on the way to them, each without that step. */
interface Below {
  readonly step: Step;
  readonly faults: readonly Fault[];
}

interface Work {
  /** The fault of the whole message that a fault of a part is. */
  readonly whole: Map<Fault, Fault>;
  /** What was done about each fault of the whole message. */
  readonly done: Map<Fault, Mending>;
}

const ANY = 'google.protobuf.Any';

const waysTo = (faults: readonly Fault[]): readonly (readonly Step[])[] => faults.map(fault => fault.path);

const NOTHING: unique symbol = Symbol('left out');

function below(faults: readonly Fault[], work: Work): readonly Below[] {
  const steps = new Map<Step, Fault[]>();
  for (const fault of faults) {
    const [step, ...path] = fault.path;
    if (step === undefined) throw new Error('a fault that is not below');
    const inner = { ...fault, path };
    work.whole.set(inner, work.whole.get(fault) ?? fault);
    addTo(steps, step, inner);
  }
  return [...steps].map(([step, inner]) => ({ step, faults: inner }));
}

/** What stands in the place of a part that cannot be mended inside; undefined where what holds it has to go. */
function replaced(type: string, field: string, part: unknown, faults: readonly Fault[], work: Work): unknown {
  const remedy = remedyOf(type, field, waysTo(faults));
  if (!remedy) return undefined;
  for (const inner of faults) {
    const fault = work.whole.get(inner) ?? inner;
    work.done.set(fault, { fault, instead: remedy.says, ...(remedy.ofMesh && { withinMeshPart: inner.path }) });
  }
  return remedy.instead ? remedy.instead(part as AnyMessage) : NOTHING;
}

/** A part of a message after its faults: undefined where what holds it has to go. */
function mendedPart(field: FieldSchema, part: unknown, faults: readonly Fault[], work: Work): unknown {
  const type = field.type.kind === 'message' ? field.type.name : '';
  const inner =
    type && faults.every(fault => fault.path.length > 0) && mendedMessage(type, part as AnyMessage, faults, work);
  return (
    inner || replaced(type === ANY ? typeName((part as Any).type_url ?? '') : type, field.name, part, faults, work)
  );
}

function mendedAny(any: Any, faults: readonly Fault[], work: Work): AnyMessage | undefined {
  const name = typeName(any.type_url ?? '');
  const message = mendedMessage(name, decodeMessage(name, any.value ?? new Uint8Array()), faults, work);
  return message && { ...any, value: encodeMessage(name, message) };
}

function mendedField(field: FieldSchema, value: unknown, faults: readonly Fault[], work: Work): unknown {
  if (field.shape === 'single') return mendedPart(field, value, faults, work);
  // What is wrong with a list or map as a whole is not mended by its items.
  if (faults.some(fault => !fault.path.length)) return undefined;
  const parts = new Map<Step, unknown>(
    Array.isArray(value) ? value.entries() : Object.entries((value ?? {}) as AnyMessage),
  );
  for (const { step, faults: inner } of below(faults, work)) {
    const part = mendedPart(field, parts.get(step), inner, work);
    if (part === undefined) return undefined;
    if (part === NOTHING) parts.delete(step);
    else parts.set(step, part);
  }
  return Array.isArray(value) ? [...parts.values()] : Object.fromEntries(parts);
}

function mendedMessage(
  name: string,
  message: AnyMessage,
  faults: readonly Fault[],
  work: Work,
): AnyMessage | undefined {
  if (name === ANY) return mendedAny(message as Any, faults, work);
  const { fields } = schemaOf(name);
  const result: Record<string, unknown> = { ...message };
  for (const { step, faults: inner } of below(faults, work)) {
    const field = fields.find(f => f.name === step);
    if (!field) throw new Error(`${name} has no field ${step}`);
    const mended = mendedField(field, message[field.name], inner, work);
    if (mended === undefined) return undefined;
    if (mended === NOTHING) delete result[field.name];
    else result[field.name] = mended;
  }
  return result;
}

/** What stands in the place of a whole message that Envoy refuses. */
export function refused<N extends MessageName>(
  name: N,
  message: MessageTypes[N],
  faults: readonly Fault[],
): Mended<MessageTypes[N]> {
  const remedy = remedyOf(name, '', waysTo(faults));
  const instead = remedy?.instead?.(message as AnyMessage) as MessageTypes[N] | undefined;
  return { message: instead, mendings: faults.map(fault => ({ fault, instead: remedy?.says ?? 'it is not sent' })) };
}

/**
 * Leaves out of a message what Envoy refuses: for each fault the smallest part around it that can go, or be replaced, without opening what
 * it closes (`remedies.ts`).
 */
export function mend<N extends MessageName>(
  name: N,
  message: MessageTypes[N],
  faults: readonly Fault[],
): Mended<MessageTypes[N]> {
  if (faults.some(fault => !fault.path.length)) return refused(name, message, faults);
  const work: Work = { whole: new Map(), done: new Map() };
  const mended = mendedMessage(name, message as AnyMessage, faults, work);
  if (!mended) return refused(name, message, faults);
  return { message: mended as MessageTypes[N], mendings: [...work.done.values()] };
}
