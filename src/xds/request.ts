import { hash } from 'node:crypto';
import protobuf from 'protobufjs';
import { memo, type Name, nameOf } from '../memo.ts';
import type { Node } from '../proto/generated/envoy/config/core/v3.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../proto/generated/envoy/service/discovery/v3.ts';
import { decode } from '../proto/message.ts';
import type { Protocol } from './frame.ts';
import type { Request } from './subscription.ts';

/** A discovery request as it came: what stream and type it is for, and what it says. */
export interface ReceivedRequest {
  readonly typeUrl: string;
  /** Sent with the first request of a stream. */
  readonly node: Node | undefined;
  /** Bytes of the Node. */
  readonly nodeBytes: number;
  readonly request: Request;
  /** A hash of a long one, by which an equal one is found for as long as this one lives. */
  readonly digest?: Name;
}

/** A client's words are kept and searched: what is longer says no more. */
const longestMessage = 4096;

/** A part of a long text would keep all of it. */
const cut = (text: string): string =>
  text.length <= longestMessage ? text : Buffer.from(text.slice(0, longestMessage)).toString();

const errorOf = (detail: { readonly code?: number | undefined; readonly message?: string | undefined } | undefined) =>
  detail && { code: detail.code ?? 0, message: cut(detail.message ?? '') };

/** Equal proxies name the same resources and acknowledge the same responses. Below this size a request is read as quickly as it is recognised. */
const worthKnowing = 512;
const longRequest = memo(
  (protocol: Protocol, digest: Name, bytes: Buffer): ReceivedRequest => ({ ...decoded(protocol, bytes), digest }),
  2,
);

/** The last short answer of either protocol. The many who were sent one response answer it in the same words, one after the other. */
const lastAnswer: { [P in Protocol]?: { readonly bytes: Buffer; readonly received: ReceivedRequest } } = {};

/** Parses a DiscoveryRequest or DeltaDiscoveryRequest; long ones that are equal give one value. Throws on malformed bytes. */
export function decodeRequest(protocol: Protocol, bytes: Buffer): ReceivedRequest {
  if (bytes.length >= worthKnowing) return longRequest(protocol, nameOf(hash('sha256', bytes, 'base64url')), bytes);
  const last = lastAnswer[protocol];
  if (last?.bytes.equals(bytes)) return last.received;
  const received = decoded(protocol, bytes);
  if (received.request.nonce !== '' && !received.node) lastAnswer[protocol] = { bytes: Buffer.from(bytes), received };
  return received;
}

function decoded(protocol: Protocol, bytes: Buffer): ReceivedRequest {
  const { message, request } = protocol === 'sotw' ? sotwRequest(bytes) : deltaRequest(bytes);
  const { type_url: typeUrl = '', node } = message;
  return { typeUrl, node, nodeBytes: node ? (nodeIn(protocol, bytes)?.length ?? 0) : 0, request };
}

/** The message itself, and what it says of its stream. */
interface Read {
  readonly message: DiscoveryRequest | DeltaDiscoveryRequest;
  readonly request: Request;
}

function sotwRequest(bytes: Buffer): Read {
  const message = decode('envoy.service.discovery.v3.DiscoveryRequest', bytes);
  const { response_nonce: nonce = '', error_detail, resource_names: names = [], version_info: version = '' } = message;
  return { message, request: { protocol: 'sotw', nonce, error: errorOf(error_detail), names, version } };
}

function deltaRequest(bytes: Buffer): Read {
  const { versions: initial, rest } = withoutVersions(bytes);
  const message = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', rest);
  const { response_nonce: nonce = '', error_detail } = message;
  const { resource_names_subscribe: subscribe = [], resource_names_unsubscribe: unsubscribe = [] } = message;
  return {
    message,
    request: { protocol: 'delta', nonce, error: errorOf(error_detail), subscribe, unsubscribe, initial },
  };
}

/** `initial_resource_versions` of a DeltaDiscoveryRequest. */
const VERSIONS = 5;

/**
 * The versions in a DeltaDiscoveryRequest, and its other fields. There can be 30,000, and protobufjs would make two objects of as many properties.
 */
function withoutVersions(bytes: Buffer): { readonly versions: Map<string, string>; readonly rest: Buffer } {
  const reader = protobuf.Reader.create(bytes);
  const versions = new Map<string, string>();
  const rest: Buffer[] = [];
  let from = 0;
  while (reader.pos < reader.len) {
    const begin = reader.pos;
    const tag = reader.uint32();
    if (tag !== ((VERSIONS << 3) | 2)) {
      reader.skipType(tag & 7);
      continue;
    }
    rest.push(bytes.subarray(from, begin));
    const end = reader.uint32() + reader.pos;
    let [name, version] = ['', ''];
    while (reader.pos < end) {
      const field = reader.uint32();
      if (field === 0x0a) name = reader.string();
      else if (field === 0x12) version = reader.string();
      else reader.skipType(field & 7);
    }
    versions.set(name, version);
    from = reader.pos;
  }
  return { versions, rest: from === 0 ? bytes : Buffer.concat([...rest, bytes.subarray(from)]) };
}

/** Where each protocol's request has its Node. */
const nodeField = { sotw: 2, delta: 1 } as const satisfies Record<Protocol, number>;

/**
 * The bytes of the Node at the beginning of a request, which need not be all there; undefined if the Node is not whole. Serialisers write fields
 * in the order of their numbers, so that only a version can come before it.
 */
function nodeIn(protocol: Protocol, bytes: Buffer): Uint8Array | undefined {
  const reader = protobuf.Reader.create(bytes);
  try {
    for (;;) {
      const tag = reader.uint32();
      if (tag >>> 3 > nodeField[protocol]) return undefined;
      if (tag === ((nodeField[protocol] << 3) | 2)) return reader.bytes();
      reader.skipType(tag & 7);
    }
  } catch {
    return undefined;
  }
}

/** The Node at the beginning of a request that is not all there yet; undefined if it is not whole either. Throws on a malformed one. */
export function nodeAtStart(
  protocol: Protocol,
  bytes: Buffer,
): { readonly node: Node; readonly nodeBytes: number } | undefined {
  const found = nodeIn(protocol, bytes);
  return found && { node: decode('envoy.config.core.v3.Node', found), nodeBytes: found.length };
}
