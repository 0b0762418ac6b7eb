import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

/** The descriptors of the Envoy API and of Istio's, as protobufjs's JSON (proto/bundle.json, made by `npm run gen`). */
export const descriptors = JSON.parse(
  readFileSync(new URL('../../proto/bundle.json', import.meta.url), 'utf8'),
) as protobuf.INamespace;

// Without long.js 64-bit integers are numbers everywhere; with it, the 64-bit keys of maps come out of decoding as hashes.
(protobuf.util as { Long: unknown }).Long = undefined;
protobuf.configure();

const root = protobuf.Root.fromJSON(descriptors);
root.resolveAll();

const types = new Map<string, protobuf.Type>();
const services = new Map<string, protobuf.Service>();

function index(at: protobuf.NamespaceBase): void {
  for (const child of at.nestedArray) {
    if (child instanceof protobuf.Service) services.set(child.fullName.slice(1), child);
    else if (child instanceof protobuf.Namespace) {
      if (child instanceof protobuf.Type) types.set(child.fullName.slice(1), child);
      index(child);
    }
  }
}
index(root);

/** The message type of this full name, if the bundle has it. */
export const findType = (name: string): protobuf.Type | undefined => types.get(name);

/** The message type of this full name. Throws if the bundle lacks it: its name belongs in proto/roots.txt. */
export function messageType(name: string): protobuf.Type {
  const type = types.get(name);
  if (!type) throw new Error(`unknown message type ${name}: add it to proto/roots.txt and run npm run gen`);
  return type;
}

/** The service of this full name. Throws if the bundle lacks it. */
export function serviceType(name: string): protobuf.Service {
  const service = services.get(name);
  if (!service) throw new Error(`unknown service ${name}: add it to proto/roots.txt and run npm run gen`);
  return service;
}
