import { setTimeout as pause } from 'node:timers/promises';

/** Requests to bookinfo's productpage, again and again until they are stopped. */
export class Traffic {
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #workers: readonly Promise<void>[];
  /** What each answered request said, in order. */
  readonly answers: string[] = [];
  /** Why each of the others failed. */
  readonly lost: string[] = [];

  constructor(url: string, workers = 4) {
    this.#url = url;
    this.#workers = Array.from({ length: workers }, () => this.#work());
  }

  /** Stops; resolves when the last request is over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await request(this.#url).then(
        answer => this.answers.push(answer),
        (error: Error) => this.lost.push(`${new Date().toISOString()} ${error.message} ${String(error.cause ?? '')}`),
      );
      await pause(10);
    }
  }
}

/** One request; rejects unless the answer is 200. The limit ends one that hangs, and nothing else. */
export async function request(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(60_000) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${body}`);
  return body;
}
