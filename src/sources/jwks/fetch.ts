import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { bounds, sentenceOf } from '../../bounds.ts';
import { Agent as HttpAgent, request as httpRequest } from '../../node-http.ts';
import { readDocument } from './document.ts';

/** Resolves a name to addresses as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

/** How keys are fetched. */
export interface FetchContext {
  /** Whether an IP address may be asked. */
  readonly allows: (address: string) => boolean;
  readonly resolve: Resolve;
  /** Certificates in PEM that vouch for servers beside those that Node believes. */
  readonly ca: string | undefined;
  /** Whose configuration it has to be, where that has keys elsewhere. */
  readonly issuer?: string | undefined;
  /** A document was fetched, or was not. */
  readonly onFetch: (ok: boolean) => void;
}

const blocked = (host: string, addresses: readonly string[]): Error => {
  const of = addresses.length === 1 && addresses[0] === host ? '' : `: ${addresses.join(', ')}`;
  return new Error(
    `keys are not fetched from ${host}${of}, which is in a range that is blocked (--jwks-allow, --jwks-block)`,
  );
};

/** What a name means at the very moment of connecting, so that it cannot come to mean something else after it was judged. */
const lookupBy =
  ({ allows, resolve }: FetchContext): LookupFunction =>
  (host, { all }, done) => {
    resolve(host).then(
      found => {
        const allowed = found.filter(({ address }) => allows(address));
        const [first] = allowed;
        if (!first)
          done(
            blocked(
              host,
              found.map(({ address }) => address),
            ),
            '',
            0,
          );
        else if (all) done(null, [...allowed]);
        else done(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => done(error, '', 0),
    );
  };

/** Trust is costly to read: one for the same certificates. */
let trust: { readonly ca: string; readonly all: readonly string[] } | undefined;

function trusted(ca: string): readonly string[] {
  if (trust?.ca !== ca) trust = { ca, all: [...getCACertificates('default'), ca] };
  return trust.all;
}

function parsed(text: string, from: URL | undefined): URL {
  const url = URL.parse(text, from?.href);
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw new Error(`"${text}" is no http(s) URL`);
  if (url.username || url.password) throw new Error('a URL with a password in it is not fetched');
  return url;
}

/** The answer to one GET, its body not read yet. */
function answer(url: URL, context: FetchContext, signal: AbortSignal): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // Node asks no lookup about what is an address already.
  if (isIP(host) && !context.allows(host)) return Promise.reject(blocked(host, [host]));
  const secure = url.protocol === 'https:';
  const lookup = lookupBy(context);
  const options: RequestOptions = {
    signal,
    headers: { accept: 'application/json', 'accept-encoding': 'identity', connection: 'close' },
    lookup,
    agent: secure
      ? new Agent({ keepAlive: false, minVersion: 'TLSv1.2', ...(context.ca && { ca: [...trusted(context.ca)] }) })
      : new HttpAgent({ keepAlive: false }),
  };
  return new Promise((resolve, reject) => {
    const asked = secure ? request(url, options, resolve) : httpRequest(url, options, resolve);
    asked.once('error', reject).end();
  });
}

const tooLong = (): Error => new Error(`the answer is too long: ${sentenceOf('jwks-bytes')}`);

async function bodyOf(response: IncomingMessage): Promise<string> {
  const { most } = bounds['jwks-bytes'];
  const encoding = response.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw new Error(`the answer is encoded as ${encoding}`);
  if (Number(response.headers['content-length'] ?? 0) > most) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > most) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The text that is at a URL, and the URL that redirects led to. */
async function get(
  start: URL,
  context: FetchContext,
  signal: AbortSignal,
): Promise<{ readonly url: URL; readonly text: string }> {
  let url = start;
  for (let hops = 0; ; hops++) {
    const response = await answer(url, context, signal);
    try {
      const { statusCode = 0, headers } = response;
      if (statusCode >= 200 && statusCode < 300) return { url, text: await bodyOf(response) };
      if (![301, 302, 303, 307, 308].includes(statusCode))
        throw new Error(`${url.href} answered with status ${statusCode}`);
      if (!headers.location) throw new Error(`${url.href} redirects to nowhere`);
      if (hops >= bounds['jwks-redirects'].most)
        throw new Error(`it redirects too often: ${sentenceOf('jwks-redirects')}`);
      const next = parsed(headers.location, url);
      if (next.protocol !== 'https:') throw new Error(`${url.href} redirects to ${next.href}, which is not https`);
      url = next;
    } finally {
      response.destroy();
    }
  }
}

/**
 * Fetches the JWKS at a URL, or the one that the OpenID configuration there names. Rejects with an Error that says why there is none. Nothing
 * is asked of an address that is not allowed, whatever its name meant before, wherever a server sends us.
 */
export async function fetchKeys(location: string, context: FetchContext, signal: AbortSignal): Promise<string> {
  const documentAt = async (url: URL) => {
    let ok = false;
    try {
      const got = await get(url, context, signal);
      const document = readDocument(got.text);
      ok = true;
      return { url: got.url, document };
    } finally {
      context.onFetch(ok);
    }
  };
  const { url, document } = await documentAt(parsed(location, undefined));
  if (document.kind === 'keys') return document.text;
  if (context.issuer !== undefined && document.issuer !== context.issuer)
    throw new Error(
      `${url.href} is the configuration of ${JSON.stringify(document.issuer)}, not of "${context.issuer}"`,
    );
  const there = parsed(document.url, undefined);
  if (url.protocol === 'https:' && there.protocol !== 'https:')
    throw new Error(`${url.href} says that its keys are at ${there.href}, which is not https`);
  const keys = await documentAt(there).then(found => found.document);
  if (keys.kind !== 'keys') throw new Error(`${there.href} has no list "keys"`);
  return keys.text;
}
