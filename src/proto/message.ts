import { messageType } from './bundle.ts';
import type { MessageName, MessageTypes } from './generated/registry.ts';
import { schemaOf } from './schema.ts';

export type { MessageName, MessageTypes } from './generated/registry.ts';

/** A message whose type is known only at run time. */
export type AnyMessage = Readonly<Record<string, unknown>>;

/** Serialises a message. Equal messages give equal bytes: maps are written in the order of their keys. Undefined fields are skipped. */
export function encode<N extends MessageName>(name: N, message: MessageTypes[N]): Buffer {
  return encodeMessage(name, message as AnyMessage);
}

/** Parses a message into a plain object that has only the fields that were sent. 64-bit integers are numbers. Throws on malformed bytes. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array): MessageTypes[N] {
  return decodeMessage(name, bytes) as MessageTypes[N];
}

/** {@link encode} for a type known only at run time. Throws if the bundle lacks it. */
export function encodeMessage(name: string, message: AnyMessage): Buffer {
  const plan = mapPlan(name);
  return messageType(name)
    .encode(plan ? withSortedMaps(plan, message) : message)
    .finish() as Buffer;
}

/** {@link decode} for a type known only at run time. Throws if the bundle lacks it. */
export function decodeMessage(name: string, bytes: Uint8Array): AnyMessage {
  const type = messageType(name);
  return type.toObject(type.decode(bytes), { longs: Number }) as AnyMessage;
}

/** The fields of a message type below which a map can be; most types have none and are encoded as they are. */
interface MapPlan {
  readonly fields: readonly {
    readonly name: string;
    readonly shape: 'single' | 'list' | 'map';
    readonly below?: () => MapPlan | undefined;
  }[];
}

const reachesMap = new Map<string, boolean>();
const plans = new Map<string, MapPlan | undefined>();

function hasMaps(name: string): boolean {
  const known = reachesMap.get(name);
  if (known !== undefined) return known;
  const seen = new Set<string>();
  const search = (type: string): boolean => {
    if (seen.has(type)) return false;
    seen.add(type);
    return schemaOf(type).fields.some(f => f.shape === 'map' || (f.type.kind === 'message' && search(f.type.name)));
  };
  const found = search(name);
  reachesMap.set(name, found);
  return found;
}

function mapPlan(name: string): MapPlan | undefined {
  if (plans.has(name)) return plans.get(name);
  const fields: MapPlan['fields'][number][] = [];
  for (const { name: field, shape, type } of schemaOf(name).fields) {
    if (type.kind === 'message' && hasMaps(type.name)) {
      const below = type.name;
      fields.push({ name: field, shape, below: () => mapPlan(below) });
    } else if (shape === 'map') fields.push({ name: field, shape });
  }
  const plan = fields.length > 0 ? { fields } : undefined;
  plans.set(name, plan);
  return plan;
}

function withSortedMaps(plan: MapPlan, message: AnyMessage): AnyMessage {
  let copy: Record<string, unknown> | undefined;
  for (const { name, shape, below } of plan.fields) {
    const value = message[name];
    if (value === undefined || value === null) continue;
    const child = below?.();
    const sorted =
      shape === 'map'
        ? sortedMap(value as AnyMessage, child)
        : !child
          ? value
          : shape === 'list'
            ? sortedList(value as readonly AnyMessage[], child)
            : withSortedMaps(child, value as AnyMessage);
    if (sorted === value) continue;
    copy ??= { ...message };
    copy[name] = sorted;
  }
  return copy ?? message;
}

function sortedList(list: readonly AnyMessage[], plan: MapPlan): readonly AnyMessage[] {
  let copy: AnyMessage[] | undefined;
  for (const [i, item] of list.entries()) {
    const sorted = withSortedMaps(plan, item);
    if (sorted === item) continue;
    copy ??= [...list];
    copy[i] = sorted;
  }
  return copy ?? list;
}

function sortedMap(map: AnyMessage, plan: MapPlan | undefined): AnyMessage {
  const keys = Object.keys(map);
  let changed = false;
  for (let i = 1; i < keys.length && !changed; i++) changed = (keys[i - 1] ?? '') > (keys[i] ?? '');
  if (changed) keys.sort();
  const entries = keys.map((key): [string, unknown] => {
    const value = map[key];
    const sorted = plan ? withSortedMaps(plan, value as AnyMessage) : value;
    changed ||= sorted !== value;
    return [key, sorted];
  });
  return changed ? Object.fromEntries(entries) : map;
}
