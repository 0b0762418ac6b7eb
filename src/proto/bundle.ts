import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

// Without long.js 64-bit integers are numbers everywhere; with it, the 64-bit keys of maps come out of decoding as hashes.
(protobuf.util as { Long: unknown }).Long = undefined;
protobuf.configure();

/**
 * The descriptors of the Envoy API and of Istio's (proto/bundle.json and proto/extensions.json, made by `npm run gen`): each top-level
 * declaration as text, by full name. A process uses a part of them, and as objects each takes thirty times the room.
 */
const texts = new Map<string, string>();

function collect({ nested }: protobuf.INamespace, path: string): void {
  for (const [name, child] of Object.entries(nested ?? {})) {
    if ('fields' in child || 'values' in child) texts.set(path + name, JSON.stringify(child));
    else collect(child, `${path}${name}.`);
  }
}

function read(file: 'bundle.json' | 'extensions.json'): void {
  collect(JSON.parse(readFileSync(new URL(`../../proto/${file}`, import.meta.url), 'utf8')), '');
}

read('bundle.json');
/** Whether the extensions that only EnvoyFilters name have been read: few processes need them. */
let extended = false;

const root = new protobuf.Root();
const loaded = new Set<string>();
const types = new Map<string, protobuf.Type>();

/** The top-level declaration that a full name is, or is inside of. */
function topLevel(name: string): string | undefined {
  for (let path = name; path; path = path.slice(0, Math.max(0, path.lastIndexOf('.'))))
    if (texts.has(path)) return path;
  if (extended) return undefined;
  extended = true;
  read('extensions.json');
  return topLevel(name);
}

/** The full names that a declaration and what is declared inside it refer to. */
function referredTypes(declared: protobuf.AnyNestedObject): readonly string[] {
  const names: string[] = [];
  if ('fields' in declared) names.push(...Object.values(declared.fields).map(field => field.type));
  const inside = 'nested' in declared ? Object.values(declared.nested ?? {}).flatMap(referredTypes) : [];
  return [...names.filter(name => name.startsWith('.')).map(name => name.slice(1)), ...inside];
}

/** The top-level declarations that a name reaches, itself among them, without those in `known`. */
function reached(name: string, known: ReadonlySet<string>): ReadonlyMap<string, protobuf.AnyNestedObject> {
  const found = new Map<string, protobuf.AnyNestedObject>();
  const take = (path: string): void => {
    const top = topLevel(path);
    if (top === undefined) throw new Error(`${path} is not in the bundle`);
    if (known.has(top) || found.has(top)) return;
    const declared = JSON.parse(texts.get(top) ?? '') as protobuf.AnyNestedObject;
    found.set(top, declared);
    for (const type of referredTypes(declared)) take(type);
  };
  take(name);
  return found;
}

function index(child: protobuf.ReflectionObject): void {
  if (child instanceof protobuf.Type) {
    types.set(child.fullName.slice(1), child);
    child.nestedArray.forEach(index);
  }
}

/** Makes a declaration, and all that it reaches, known to protobufjs. */
function load(name: string): void {
  const top = topLevel(name);
  if (top === undefined || loaded.has(top)) return;
  for (const [path, declared] of reached(top, loaded)) {
    loaded.add(path);
    const dot = path.lastIndexOf('.');
    const child = path.slice(dot + 1);
    const parent = root.define(path.slice(0, dot)).addJSON({ [child]: declared });
    const made = parent.get(child);
    if (made) index(made);
  }
  root.resolveAll();
}

/** The message type of this full name, if the bundle has it. */
export function findType(name: string): protobuf.Type | undefined {
  const known = types.get(name);
  if (known) return known;
  load(name);
  return types.get(name);
}

/** The message type of this full name. Throws if the bundle lacks it: its name belongs in proto/roots.txt. */
export function messageType(name: string): protobuf.Type {
  const type = findType(name);
  if (!type) throw new Error(`unknown message type ${name}: add it to proto/roots.txt and run npm run gen`);
  return type;
}
