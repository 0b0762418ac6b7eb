import { readFile } from 'node:fs/promises';
import type { Agent, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { Agent as HttpAgent, request as httpRequest } from '../node-http.ts';
import { ApiError } from './api-error.ts';
import { type ApiServerSettings, type Credentials, loadCredentials } from './credentials.ts';

/** A request to the API server. */
export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The type of `body`, `application/json` unless told: patches have types of their own. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** The answer fails when nothing of it arrives for so long. An answer has to begin, and without this to go on, within 30 s. */
  readonly idleMs?: number;
}

/** Nothing arrived for the request's `idleMs`. */
export class SilentError extends Error {}

const ANSWER_MS = 30_000;
const TOKEN_FILE_MS = 60_000;
const RENEW_MS = 5_000;
const ERROR_BODY_BYTES = 64 * 1024;

/**
 * Requests to the API server, all through one keep-alive agent.
 *
 * HTTP/1.1, not 2: a watch then owns its connection, so a stuck or broken one concerns one kind and is cured by a socket of its own, nothing
 * queues behind another kind's flow control, and proxies and load balancers in between do no harm. It costs some thirty sockets, whose TLS
 * sessions the agent resumes. TCP keep-alive finds a peer that vanished within about 20 s.
 */
export class ApiClient {
  readonly #load: () => Promise<Credentials>;
  #credentials: Credentials;
  #agent: Agent;
  #token: { readonly text: string; readonly readAt: number } | undefined;
  #renewal: { readonly startedAt: number; readonly done: Promise<void> } | undefined;

  private constructor(load: () => Promise<Credentials>, credentials: Credentials) {
    this.#load = load;
    this.#credentials = credentials;
    this.#agent = agentFor(credentials);
  }

  /** Loads the credentials; rejects with what is wrong with them. Sends nothing yet. */
  static async create(settings: ApiServerSettings): Promise<ApiClient> {
    const load = () => loadCredentials(settings);
    return new ApiClient(load, await load());
  }

  /** Where the requests go. */
  get server(): string {
    return this.#credentials.server;
  }

  /**
   * Loads kubeconfig, exec plugin and token file anew, for a 401. Those who ask at the same time, or soon after, share one renewal. TLS
   * connections that are open stay so.
   */
  renew(): Promise<void> {
    if (!this.#renewal || performance.now() - this.#renewal.startedAt > RENEW_MS) {
      this.#renewal = { startedAt: performance.now(), done: this.#renew() };
    }
    return this.#renewal.done;
  }

  async #renew(): Promise<void> {
    this.#token = undefined;
    const next = await this.#load();
    const { tls, proxyUrl } = this.#credentials;
    const sameConnections = isDeepStrictEqual([tls, proxyUrl], [next.tls, next.proxyUrl]);
    this.#credentials = next;
    if (!sameConnections) this.#agent = agentFor(next);
  }

  /** Sends a request and resolves when a 2xx answer begins. Rejects with `ApiError`, `SilentError`, or what the socket says. */
  async open(path: string, request: ApiRequest = {}): Promise<IncomingMessage> {
    const { server, headers } = this.#credentials;
    const url = new URL(server.replace(/\/$/, '') + path);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const token = await this.#fileToken();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = (url.protocol === 'http:' ? httpRequest : httpsRequest)(url, {
      agent: this.#agent,
      method: request.method ?? 'GET',
      headers: {
        accept: 'application/json',
        'user-agent': 'pilotlight',
        ...headers,
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && {
          'content-type': request.contentType ?? 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      },
      ...(request.signal && { signal: request.signal }),
      // As an option it covers the time before the connection stands, too; the method does not.
      timeout: ANSWER_MS,
    });
    sent.on('timeout', () => sent.destroy(silence(ANSWER_MS)));
    sent.on('error', reject);
    sent.on('response', resolve);
    sent.end(body);
    const response = await promise;
    if (request.idleMs) {
      const idleMs = request.idleMs;
      sent.removeAllListeners('timeout');
      // What has arrived while this process was kept from its work is read first.
      response.setTimeout(idleMs, () => {
        const { bytesRead } = sent.socket ?? {};
        setImmediate(() => {
          if (sent.socket?.bytesRead === bytesRead) response.destroy(silence(idleMs));
        });
      });
    }
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    throw new ApiError(status, await errorBody(response), retryAfterMs(response));
  }

  /** Sends a request and parses the whole answer. */
  async json(path: string, request: ApiRequest = {}): Promise<unknown> {
    return JSON.parse(await text(await this.open(path, request)));
  }

  // A mounted service-account token is replaced by the kubelet well before it expires; client-go reads it again each minute, too.
  async #fileToken(): Promise<string | undefined> {
    const { tokenFile } = this.#credentials;
    if (!tokenFile) return undefined;
    if (!this.#token || performance.now() - this.#token.readAt > TOKEN_FILE_MS) {
      const read = await readFile(tokenFile, 'utf8').catch(() => undefined);
      if (read !== undefined) this.#token = { text: read.trim(), readAt: performance.now() };
    }
    return this.#token?.text;
  }
}

const silence = (ms: number) => new SilentError(`nothing arrived for ${Math.round(ms / 1000)} s`);

function agentFor({ server, tls, proxyUrl }: Credentials): Agent {
  const options = {
    keepAlive: true,
    keepAliveMsecs: 10_000,
    maxFreeSockets: 4,
    ...(proxyUrl && { proxyEnv: { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl } }),
  };
  return server.startsWith('http:') ? new HttpAgent(options) : new HttpsAgent({ ...options, ...tls });
}

async function errorBody(response: IncomingMessage): Promise<unknown> {
  let body = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      body += chunk;
      if (body.length > ERROR_BODY_BYTES) break;
    }
    return JSON.parse(body);
  } catch {
    return { message: `HTTP ${response.statusCode} ${body.slice(0, 200).trim()}`.trim() };
  }
}

function retryAfterMs(response: IncomingMessage): number {
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 300) * 1000 : 0;
}
