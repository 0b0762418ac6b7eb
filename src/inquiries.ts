import {
  type Caller,
  type DebugRight,
  type Identified,
  type Identify,
  isLoopback,
  type Rights,
} from './access/caller.ts';
import type { Clock } from './clock.ts';
import type { Origin } from './grpc/peer.ts';
import { type Status, StatusError, status } from './grpc/status.ts';
import { configDumpParts } from './http/debug/config-dump.ts';
import { clientConfig } from './http/debug/syncz.ts';
import { connectionOf, type DebugView, NOT_CONNECTED, proxyName, shownConnections } from './http/debug/view.ts';
import { AUTHENTICATION_REQUIRED, debugAccess } from './http/debug-access.ts';
import { NO_PAGE, type PageRequest, type Pages, pageAt, pieces } from './http/page.ts';
import { pageWriter } from './http/page-writer.ts';
import { parseNode } from './model/proxy/node.ts';
import { objectKey } from './object-key.ts';
import { typeUrl } from './proto/any.ts';
import { pause } from './proto/json.ts';
import { encode } from './proto/message.ts';
import { checkNode } from './security/node-check.ts';
import { REPLICA } from './version.ts';
import { type AdsHandler, notReady } from './xds/handler.ts';
import type { AnswerInquiry, InquiryAdmission, InquiryAnswer, Making } from './xds/inquiry.ts';
import type { LongResource } from './xds/long-answer.ts';

/** istiod's types for what istioctl asks over xDS: a page by its name, how proxies are doing, and what one of them holds. */
const PAGE = 'istio.io/debug';
const SYNCZ = `${PAGE}/syncz`;
const CONFIG_DUMP = `${PAGE}/config_dump`;
const LIST = '/debug/list';

/** What answers of streams that ask are made of. */
export interface InquiryContext {
  readonly view: DebugView;
  readonly pages: Pages;
  readonly identify: Identify;
  readonly rightsOf: (caller: Caller) => Rights;
  readonly clock: Clock;
  /** A stream may not ask. */
  readonly refused: (address: string, reason: string) => void;
  /** Tells istioctl which replica it is: JSON. istiod says so with `syncz` alone, and pages of several replicas have no name then. */
  readonly identifier: string;
  /** Of this control plane; other replicas have it, too. */
  readonly revision: string;
}

/** Answers streams that ask about the control plane, as istioctl's do. */
export function inquiries(context: () => InquiryContext): NonNullable<AdsHandler<never>['inquiries']> {
  return {
    has: type => type === PAGE || type.startsWith(`${PAGE}/`),
    connect(node, peer) {
      const { view, identify, rightsOf, refused } = context();
      if (!view.world()) return notReady;
      const parsed = parseNode(node);
      if (!parsed.ok) return { ok: false, code: status.INVALID_ARGUMENT, message: parsed.message };
      const { proxy } = parsed;
      const refuse = (code: Status, message: string, reason = message): InquiryAdmission => {
        refused(peer.address, reason);
        return { ok: false, code, message };
      };
      const admission = (identified: Identified): InquiryAdmission => {
        if (!identified.ok) return refuse(identified.code, identified.message, identified.reason);
        const { caller } = identified;
        if (caller.kind === 'workload') {
          // Who asks is no pod: its proof need not be for the one that it names.
          const claimed = {
            namespace: proxy.namespace,
            pod: '',
            serviceAccount: proxy.class.metadata['SERVICE_ACCOUNT'] ?? '',
          };
          const checked = checkNode({ ...caller.proven, pod: undefined }, claimed);
          if (!checked.ok) return refuse(checked.code, checked.message, checked.reason);
        }
        // Whom nobody knows takes no place among those who may ask.
        const access = debugAccess('proxy', caller, rightsOf(caller).debug);
        if (!access.ok) return refuse(status.UNAUTHENTICATED, AUTHENTICATION_REQUIRED, access.reason);
        const answer = answering(caller, { address: peer.address, port: peer.port }, context());
        return { ok: true, answer, inTurn: write => pageWriter.make(write) };
      };
      const identified = identify(peer);
      return identified instanceof Promise ? identified.then(admission) : admission(identified);
    },
  };
}

function answering(
  caller: Caller,
  peer: Origin,
  { view, pages, rightsOf, clock, identifier, revision }: InquiryContext,
): AnswerInquiry {
  return async ({ typeUrl: type, names: listed }, making) => {
    const names = [...new Set(listed)];
    if (caller.kind === 'workload' && caller.proven.expiresAt <= clock.now())
      throw new StatusError(status.UNAUTHENTICATED, 'the proof of identity has ended');
    const rights = rightsOf(caller).debug;
    const mine = debugAccess('proxy', caller, rights);
    if (!mine.ok) throw new StatusError(status.UNAUTHENTICATED, AUTHENTICATION_REQUIRED);
    const { right } = mine;
    const told = (resources: readonly LongResource[]): InquiryAnswer => ({ resources, identifier });
    const collect = async (items: Iterable<LongResource | typeof pause>): Promise<InquiryAnswer> => {
      const resources: LongResource[] = [];
      await pageWriter.work(gathering(items, resources, making), making);
      return told(resources);
    };
    if (type === SYNCZ) return collect(clientConfigs(view, right));
    const [name = ''] = names;
    if (type === CONFIG_DUMP) {
      if (names.length !== 1) return told([]);
      const connection = connectionOf(view, name, right);
      if (connection) return collect(configDumpParts(connection));
      const asksOthers = isLoopback(peer.address) && hasNext(view, revision);
      return told(asksOthers && isPod(view, name, right) ? [page(name, [Buffer.from(NOT_CONNECTED)])] : []);
    }
    if (type !== PAGE) return told([]);
    if (names.length !== 1) throw new StatusError(status.INVALID_ARGUMENT, 'exactly one debug request is required');
    const url = URL.parse(`http://localhost/debug/${name}`) ?? undefined;
    const path = url?.pathname ?? '';
    const entry = path.startsWith('/debug/') ? pageAt(pages, path) : undefined;
    const access = debugAccess(entry?.shows ?? 'mesh', caller, rights);
    if (!access.ok) throw new StatusError(status.PERMISSION_DENIED, access.reason);
    const { body } = url && entry ? await entry.page(asked(url, peer, access.right)) : { body: NO_PAGE };
    const chunks: Buffer[] = [];
    await pageWriter.work(encoding(pieces(body, ''), chunks, making), making);
    // The list is that of every replica: istioctl, which asks them all, prints it once where none says whose it is.
    return { resources: [page(name, chunks)], identifier: path === LIST ? '' : identifier };
  };
}

/** An answer with the bytes of a page. */
const page = (name: string, chunks: readonly Buffer[]): LongResource => ({
  typeUrl: PAGE,
  name,
  size: chunks.reduce((size, { length }) => size + length, 0),
  // Counted as they are made.
  kept: 0,
  chunks,
});

/** Takes resources as they are made. */
function* gathering(items: Iterable<LongResource | typeof pause>, into: LongResource[], making: Making) {
  for (const item of items) {
    if (item !== pause) {
      into.push(item);
      making.keep(item.kept);
    }
    yield;
  }
}

/** Characters of a page that are made bytes at once. */
const CHUNK = 64 * 1024;

/** Makes bytes of a page's text as it is made. A response's length goes before it, so that all of a page is kept until it is read. */
function* encoding(texts: Iterable<string>, into: Buffer[], making: Making) {
  let text = '';
  const take = (): void => {
    const chunk = Buffer.from(text);
    into.push(chunk);
    making.keep(chunk.length);
    text = '';
  };
  for (const piece of texts) {
    text += piece;
    if (text.length >= CHUNK) take();
    yield;
  }
  take();
}

/**
 * Whether a pod has the name, so that another replica may have its proxy. istiod answers with nothing whether there is such a pod or not, and istioctl
 * takes the first answer that is not the sentence: `proxy-status POD` then fails for the proxies of all replicas but one.
 */
function isPod(view: DebugView, wanted: string, right: DebugRight): boolean {
  const [, pod = '', namespace = ''] = /^(.+)\.([^.]+)$/.exec(wanted) ?? [];
  const mayKnow = right.kind === 'all' || (right.kind === 'namespace' && right.namespace === namespace);
  return mayKnow && view.world()?.mesh.contents.Pod.has(objectKey('Pod', namespace, pod)) === true;
}

/**
 * Whether istioctl finds another replica to ask: it goes by their names. The sentence of the last one it takes for what the proxy has, and prints
 * all that it lacks.
 */
function hasNext(view: DebugView, revision: string): boolean {
  const pods = view.world()?.mesh.contents.Pod.values() ?? [];
  return [...pods].some(
    ({ meta: { name, labels }, phase }) =>
      name > REPLICA && phase === 'Running' && labels['app'] === 'istiod' && labels['istio.io/rev'] === revision,
  );
}

const asked = ({ pathname: path, searchParams: query }: URL, peer: Origin, debug: DebugRight): PageRequest => ({
  method: 'GET',
  path,
  query,
  body: Buffer.alloc(0),
  peer: { ...peer, header: () => [], certificates: [] },
  debug,
});

function* clientConfigs(view: DebugView, debug: DebugRight): Generator<LongResource> {
  const CLIENT_CONFIG = 'envoy.service.status.v3.ClientConfig';
  for (const connection of shownConnections(view, debug)) {
    const bytes = encode(CLIENT_CONFIG, clientConfig(connection));
    const name = proxyName(connection.client);
    yield { typeUrl: typeUrl(CLIENT_CONFIG), name, size: bytes.length, kept: bytes.length, chunks: [bytes] };
  }
}
