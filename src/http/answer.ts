import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Caller, DebugRight, Identify, Rights } from '../access/caller.ts';
import { addressOf, type Peer } from '../grpc/peer.ts';
import { BoundError } from '../grpc/status.ts';
import { clientCertificates } from '../tls.ts';
import type { Bodies } from './bodies.ts';
import { AUTHENTICATION_REQUIRED, debugAccess } from './debug-access.ts';
import { type Answer, decoded, type Entry, NO_PAGE, type PageRequest, type Pages, pageAt, pieces } from './page.ts';
import type { PageWriter } from './page-writer.ts';

/** What answers of a port are made with. */
export interface AnswerContext {
  /** The port's name. */
  readonly port: string;
  readonly pages: Pages;
  readonly identify: Identify;
  readonly rightsOf: (caller: Caller) => Rights;
  readonly refused: (path: string, address: string, reason: string) => void;
  readonly writer: PageWriter;
  readonly bodies: Bodies;
}

/** A request whose head has been read. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined where the path is none. */
  readonly url: URL | undefined;
  /** Undefined where there is no such page. */
  readonly entry: Entry | undefined;
  /** Whether the page reads the request's body. */
  readonly reads: boolean;
}

const text = (status: number, body: string): Answer => ({ status, body });

/**
 * Where a request goes, with repeated slashes taken as one, as Go's servers take them: `istioctl version` asks for `//version`. A target is a path
 * even where it begins with two slashes, which in a URL would name a host.
 */
function urlOf(target: string): URL | undefined {
  const url = URL.parse(target.startsWith('/') ? `http://localhost${target}` : target, 'http://localhost') ?? undefined;
  if (url?.pathname.includes('//')) url.pathname = url.pathname.replaceAll(/\/+/g, '/');
  return url;
}

/** Looks up what a request asks for. A body that no page reads is dropped: who sends one is not kept waiting for the end of it. */
export function lookUp(request: IncomingMessage, response: ServerResponse, pages: Pages): Asked {
  const url = urlOf(request.url ?? '/');
  const entry = url && (pageAt(pages, url.pathname) ?? pageAt(pages, /^\/[^/]*\//.exec(url.pathname)?.[0] ?? ''));
  const { method = '' } = request;
  const reads = ['POST', 'PUT'].includes(method) && methodsOf(entry).includes(method);
  if (!reads) request.resume();
  return { request, response, url, entry, reads };
}

function methodsOf({ methods = ['GET'] }: Pick<Entry, 'methods'> = {}): readonly string[] {
  return methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}

const peerOf = ({ socket, headers }: IncomingMessage, port: string): Peer => ({
  address: addressOf(socket),
  port,
  header: name => [headers[name] ?? []].flat(),
  // A client whose certificate does not verify is not let in.
  certificates: socket instanceof TLSSocket ? clientCertificates(socket) : [],
});

/** Says which page lists those that there are, if one does. */
function missing(path: string, pages: Pages): string {
  const index = ['/debug', '/'].find(each => pageAt(pages, each));
  return `There is no page ${path}${index ? `; ${index} lists them` : ''}.\n`;
}

const UNKNOWN = text(401, `${AUTHENTICATION_REQUIRED}\n`);

interface Refused {
  readonly refused: Answer;
  /** For the log: who is not known learns no more than that. */
  readonly reason: string;
}

/** What a page may show a peer, or why it may not have it. */
async function debugRight({ shows }: Entry, peer: Peer, context: AnswerContext): Promise<DebugRight | Refused> {
  if (!shows) return { kind: 'none' };
  const identified = await context.identify(peer);
  if (!identified.ok) return { refused: UNKNOWN, reason: identified.reason ?? identified.message };
  const { caller } = identified;
  const access = debugAccess(shows, caller, context.rightsOf(caller).debug);
  if (access.ok) return access.right;
  const { known, reason } = access;
  return known ? { refused: text(403, `${reason}\n`), reason } : { refused: UNKNOWN, reason };
}

async function answerOf({ request, response, url, entry, reads }: Asked, context: AnswerContext): Promise<Answer> {
  if (!url) return text(400, 'This is no path; /debug lists the pages.\n');
  if (!entry) return text(404, `${NO_PAGE}${missing(url.pathname, context.pages)}`);
  const methods = methodsOf(entry);
  const { method = '' } = request;
  if (!methods.includes(method)) {
    response.setHeader('allow', methods.join(', '));
    return text(405, entry.methods ? `${methods.join(' or ')}.\n` : 'These pages are only read: GET or HEAD.\n');
  }
  const peer = peerOf(request, context.port);
  const right = await debugRight(entry, peer, context);
  if ('refused' in right) {
    const { refused, reason } = right;
    if (refused.status === 401) response.setHeader('www-authenticate', 'Bearer');
    context.refused(url.pathname, peer.address, reason);
    return refused;
  }
  const body = reads ? await context.bodies.read(request, response) : Buffer.alloc(0);
  const path = decoded(url.pathname);
  const asked: PageRequest = { method, path, query: url.searchParams, body, peer, debug: right };
  return entry.page(asked);
}

/** Answers a request. `failed` is called if the page throws, and `met` if the body meets a bound. */
export async function answer(
  asked: Asked,
  context: AnswerContext,
  { failed, met }: { failed(error: unknown): void; met(error: BoundError): void },
): Promise<void> {
  const { request, response } = asked;
  let answered: Answer;
  try {
    answered = await answerOf(asked, context);
  } catch (error) {
    if (!(error instanceof BoundError)) throw error;
    met(error);
    // What is left of the body is not waited for.
    response.setHeader('connection', 'close');
    answered = text(error.bound === 'http-body-bytes' ? 413 : 503, `${error.message}\n`);
  }
  const { body, status = 200 } = answered;
  const isText = typeof body === 'string';
  response.writeHead(status, {
    'content-type': answered.type ?? (isText ? 'text/plain; charset=utf-8' : 'application/json'),
    // What a page repeats of a request or an object is no HTML, whatever it looks like.
    'x-content-type-options': 'nosniff',
    ...(isText && { 'content-length': Buffer.byteLength(body) }),
  });
  if (request.method === 'HEAD') response.end();
  else if (isText) response.end(body);
  else context.writer.write(response, pieces(body), failed);
}
