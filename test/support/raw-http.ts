/** HTTP/1.1 byte by byte: a client that sends what no library would, and a server that says what has reached it. Text is latin1. */

import { createServer, type Socket, connect as tcp } from 'node:net';

/** What came back; status 0: the connection was closed without an answer. */
export interface RawAnswer {
  readonly status: number;
  /** By their names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request as it reached the server. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** In order, names as they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

interface Message {
  readonly first: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** The message that a text begins with, and what comes behind it; undefined where it is not whole. */
function cut(text: string): { readonly message: Message; readonly rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map(line => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  const length = Number(headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1] ?? 0);
  const [from, to] = [end + 4, end + 4 + length];
  return text.length < to
    ? undefined
    : { message: { first, headers, body: text.slice(from, to) }, rest: text.slice(to) };
}

/** Calls `each` for each message of a socket. */
function messages(socket: Socket, each: (message: Message) => void): void {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    for (let found = cut(text); found; found = cut(text)) {
      text = found.rest;
      each(found.message);
    }
  });
}

/** A connection that is opened anew after each answer that closes it; one request at a time. */
export class RawClient {
  readonly #address: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #waiting: ((answer: RawAnswer) => void) | undefined;

  constructor(address: string, port: number) {
    this.#address = address;
    this.#port = port;
  }

  /** `lines` are those of the headers; a body's length is told beside them. */
  ask(line: string, lines: readonly string[], body = ''): Promise<RawAnswer> {
    return new Promise(resolve => {
      this.#waiting = resolve;
      this.#socket ??= this.#open();
      const length = body ? [`Content-Length: ${body.length}`] : [];
      this.#socket.write([line, ...lines, ...length, '', body].join('\r\n'), 'latin1');
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = tcp(this.#port, this.#address);
    const over = (answer: RawAnswer): void => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.(answer);
    };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      over({ status: 0, headers: {}, body: '' });
    });
    messages(socket, ({ first, headers, body }) => {
      if (headers.some(([name, value]) => name === 'connection' && value === 'close')) {
        this.#socket = undefined;
        socket.destroy();
      }
      over({ status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers), body });
    });
    return socket;
  }
}

/** Answers every request with itself, as JSON of a `RawRequest`. */
export async function serveRaw(address: string, port: number): Promise<{ close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    messages(socket, ({ first, headers, body: sent }) => {
      const [, method = '', target = ''] = /^(\S+) (.*) HTTP/s.exec(first) ?? [];
      const body = Buffer.from(JSON.stringify({ method, target, headers, body: sent } satisfies RawRequest));
      const head = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(Buffer.concat([head, body]));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, address, resolve);
  });
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
