/**
 * npm run demo: bookinfo's services as small servers, each behind a real Envoy, with mutual TLS between them, and a picture of where productpage's calls go while the
 * VirtualService of reviews is edited, by the demo or by whoever looks at it. `--once` goes through the steps, each until its effect is
 * seen, and ends.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { call } from '../support/http.ts';
import { PORT } from './bookinfo.ts';
import { Calls } from './calls.ts';
import { type Mesh, startMesh } from './mesh.ts';
import { line, picture, type Scene, Screen } from './picture.ts';
import { fileOf, isSeen, type Step, steps } from './steps.ts';

/** How long a step is shown to somebody who watches, in milliseconds, counted from when its effect is seen. */
const SHOWN = 8000;

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ending.abort(signal));
// A terminal that was closed, or a pipe whose reader has gone: there is nobody left to show anything to.
process.stdout.on('error', () => ending.abort());

const wait = (ms: number): Promise<void> => pause(ms, undefined, { signal: ending.signal }).catch(() => {});

/** Visitors come one after the other; every third is jason. A visit that fails is nobody's call to reviews. */
async function visit(mesh: Mesh, between: number): Promise<void> {
  for (let i = 0; !ending.signal.aborted; i++) {
    const headers = i % 3 === 2 ? { 'end-user': 'jason' } : {};
    await call({ address: mesh.productpage, port: PORT, host: `productpage:${PORT}`, headers }).catch(() => undefined);
    await wait(between);
  }
}

/** Who decides what the file says: the demo's steps, until somebody else has written into it. */
class Script {
  readonly #mesh: Mesh;
  #step = 0;
  #text = '';
  #since: number | undefined;
  taken = false;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#text = fileOf(this.step);
  }

  get step(): Step {
    const step = steps[this.#step];
    if (!step) throw new Error(`there is no step ${this.#step}`);
    return step;
  }

  get last(): boolean {
    return this.#step === steps.length - 1;
  }

  async scene(): Promise<Scene> {
    const { file, productpage } = this.#mesh;
    const text = await readFile(file, 'utf8').catch(() => '');
    // An editor may be between emptying the file and writing it.
    if (text !== '' && text !== this.#text) this.taken = true;
    const title = this.taken ? 'what you wrote' : this.step.title;
    return { title, file, text, page: `http://${productpage}:${PORT}` };
  }

  async next(): Promise<void> {
    this.#step = (this.#step + 1) % steps.length;
    this.#since = undefined;
    this.#text = fileOf(this.step);
    await writeFile(this.#mesh.file, this.#text);
  }

  /** For how many milliseconds the step's effect has been there to see. */
  seenFor(calls: Calls): number {
    if (this.#since === undefined && isSeen(this.step, calls)) this.#since = performance.now();
    return this.#since === undefined ? -1 : performance.now() - this.#since;
  }
}

async function show(mesh: Mesh, calls: Calls): Promise<void> {
  const { stdout } = process;
  const screen = stdout.isTTY ? new Screen(stdout) : undefined;
  const coloured = stdout.isTTY && !process.env['NO_COLOR'];
  const style = (code: number, text: string): string => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
  const script = new Script(mesh);
  let printed = Number.NEGATIVE_INFINITY;
  while (!ending.signal.aborted) {
    const failure = mesh.failure();
    if (failure) throw new Error(failure);
    const scene = await script.scene();
    const seen = script.seenFor(calls);
    if (screen) screen.draw(picture(calls, scene, style));
    else if (performance.now() - printed >= 1000) {
      stdout.write(`${line(calls, scene)}\n`);
      printed = performance.now();
    }
    if (values.once ? seen >= 0 : seen > SHOWN && !script.taken) {
      if (values.once) stdout.write(`seen: ${script.step.title}\n`);
      if (values.once && script.last) return;
      await script.next();
    }
    await wait(screen ? 200 : 50);
  }
}

const calls = new Calls();
process.stdout.write('Starting bookinfo: six applications, a control plane, six Envoys that speak mutual TLS …\n');
const mesh = await startMesh(fileOf(steps[0] ?? { title: '', http: '', seen: () => true }), c => calls.add(c));
if (!process.stdout.isTTY) process.stdout.write(`edit ${mesh.file}, visit http://${mesh.productpage}:${PORT}\n`);
const visits = visit(mesh, values.once ? 5 : 40);
try {
  await show(mesh, calls);
} finally {
  ending.abort();
  await visits;
  await mesh.stop();
}
