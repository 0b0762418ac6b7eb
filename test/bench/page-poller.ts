// Asks for every page again and again, in a process of its own: over HTTP and over xDS, each once a second or as soon as it has been read.
import { get } from 'node:http';
import { AdsClient } from '../support/ads-client.ts';

/** What is to be asked, by the parent process. */
export interface Polling {
  readonly http: string;
  readonly xds: string;
  readonly paths: readonly string[];
  readonly questions: readonly (readonly [type: string, name: string])[];
}

/** What came of it so far. */
export interface Polled {
  readonly answers: number;
  readonly bytes: number;
  /** Answers that had not been read a second after they were asked for. */
  readonly late: number;
  readonly failed: number;
}

let [answers, bytes, late, failed] = [0, 0, 0, 0];

const overHttp = (http: string, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    get(`http://${http}${path}`, { agent: false }, response => {
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
      });
      response.on('end', () => resolve(size));
      response.on('error', reject);
    }).on('error', reject);
  });

async function overXds(xds: string, type: string, name: string): Promise<number> {
  const client = new AdsClient(xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.default~x' });
  client.subscribe(type, name ? [name] : []);
  try {
    const { resources } = await client.next(type);
    return resources.reduce((sum, { any }) => sum + (any.value?.length ?? 0), 0);
  } finally {
    client.close();
  }
}

function poll(ask: () => Promise<number>, after: number): void {
  let asking = false;
  const again = async (): Promise<void> => {
    if (asking) {
      late++;
      return;
    }
    asking = true;
    await ask().then(
      size => {
        answers++;
        bytes += size;
      },
      () => failed++,
    );
    asking = false;
  };
  setTimeout(() => {
    void again();
    setInterval(() => void again(), 1_000);
  }, after);
}

process.once('message', ({ http, xds, paths, questions }: Polling) => {
  const asks = [
    ...paths.map(path => () => overHttp(http, path)),
    ...questions.map(
      ([type, name]) =>
        () =>
          overXds(xds, type, name),
    ),
  ];
  for (const [i, ask] of asks.entries()) poll(ask, (i * 1_000) / asks.length);
  process.on('message', () => process.send?.({ answers, bytes, late, failed } satisfies Polled));
});
process.once('disconnect', () => process.exit());
