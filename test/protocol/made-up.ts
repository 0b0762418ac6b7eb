import type { EncodedResource } from '../../src/xds/resource.ts';
import {
  encodeResource,
  joinedSet,
  part,
  type ResourceSet,
  type Snapshot,
  snapshot,
} from '../../src/xds/resource-set.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';

const known = new Map<string, EncodedResource>();

/** A resource of a type with a name and one visible content; the same object for the same three, as a translator gives. */
export function made(type: XdsType, name: string, content = 1): EncodedResource {
  const key = `${type} ${name} ${content}`;
  const resource = known.get(key) ?? make(type, name, content);
  known.set(key, resource);
  return resource;
}

function make(type: XdsType, name: string, content: number): EncodedResource {
  switch (type) {
    case 'cluster':
      return encodeResource(type, { name, connect_timeout: { seconds: content } });
    case 'endpoint':
      return encodeResource(type, { cluster_name: name, endpoints: [{ priority: content }] });
    case 'listener':
      return encodeResource(type, { name, stat_prefix: `content-${content}` });
    case 'route':
      return encodeResource(type, {
        name,
        virtual_hosts: [{ name: `content-${content}`, domains: ['*'] }],
      });
    case 'secret':
      return encodeResource(type, { name, generic_secret: { secret: { inline_string: `content-${content}` } } });
    case 'extension':
      return encodeResource(type, { name, typed_config: { type_url: `content-${content}` } });
    case 'trustBundle':
      return encodeResource(type, { caCertificatesPem: [`${content}`] });
    case 'nameTable':
      return encodeResource(type, { table: { [name]: { ips: [`10.0.0.${content}`] } } });
  }
}

/** The set of one part. */
export const resourceSet = (type: XdsType, list: readonly EncodedResource[], previous?: ResourceSet): ResourceSet =>
  joinedSet(type, [part(list, previous?.parts[0])], previous);

/** A set with these contents: the names, and a number that stands for what is in them. */
export const madeSet = (
  type: XdsType,
  contents: Readonly<Record<string, number>>,
  previous?: ResourceSet,
): ResourceSet =>
  resourceSet(
    type,
    Object.entries(contents).map(([name, content]) => made(type, name, content)),
    previous,
  );

/** What a made-up world has, by type and name. */
export type World = { readonly [T in XdsType]?: Readonly<Record<string, number>> };

/** A snapshot of a made-up world. Types whose contents equal `previous`'s keep their sets. */
export function madeSnapshot(world: World, previous?: Snapshot): Snapshot {
  const sets = Object.keys(world).map(key => {
    const type = key as XdsType;
    return [type, madeSet(type, world[type] ?? {}, previous?.[type])] as const;
  });
  return snapshot(Object.fromEntries(sets));
}
