import { createSocket } from 'node:dgram';

/** A name server on an address of loopback that knows the addresses of some names, in IPv4, and notes what it was asked. */
export interface NameServer {
  readonly port: number;
  /** `A www.example`, `AAAA www.example` */
  readonly asked: string[];
  close(): void;
}

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' };

/** The name in a question, and where its type begins. */
function questionOf(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function answerTo(query: Buffer, end: number, address: string | undefined, isKnown: boolean): Buffer {
  const head = Buffer.from(query.subarray(0, end + 4));
  head.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(address ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = address ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...address.split('.').map(Number)] : [];
  return Buffer.concat([head, Buffer.from(record)]);
}

/** Starts it; `names` are its A records. */
export async function startNameServer(host: string, names: Readonly<Record<string, string>>): Promise<NameServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, end } = questionOf(query);
    const type = TYPES[query.readUInt16BE(end)] ?? '?';
    asked.push(`${type} ${name}`);
    const address = names[name];
    socket.send(answerTo(query, end, type === 'A' ? address : undefined, !!address), from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, host, resolve));
  return { port: socket.address().port, asked, close: () => socket.close() };
}
