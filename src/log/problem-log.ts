import { type Problem, problemLine } from '../config/problem.ts';
import type { Log } from './log.ts';

/** Lines about proxies that are remembered; then all are forgotten, and may be said once more. */
const MOST_LINES = 10_000;

/** Says each problem once: when it appears, and again only if it has been gone meanwhile. */
export class ProblemLog {
  readonly #log: Log;
  #mesh: readonly Problem[] = [];
  #meshLines: ReadonlySet<string> = new Set();
  readonly #lists = new WeakSet<readonly Problem[]>();
  readonly #proxyLines = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** All problems of the mesh as it is now. */
  ofMesh(problems: readonly Problem[]): void {
    if (problems === this.#mesh) return;
    const lines = new Set<string>();
    for (const problem of problems) {
      const line = problemLine(problem);
      if (!this.#meshLines.has(line) && !lines.has(line)) this.#say(problem);
      lines.add(line);
    }
    this.#mesh = problems;
    this.#meshLines = lines;
  }

  /** Problems that showed while a proxy's configuration was made; equal proxies share the list, and it is read once. */
  ofProxy(problems: readonly Problem[]): void {
    if (!problems.length || this.#lists.has(problems)) return;
    this.#lists.add(problems);
    if (this.#proxyLines.size > MOST_LINES) this.#proxyLines.clear();
    for (const problem of problems) {
      const line = problemLine(problem);
      if (this.#proxyLines.has(line)) continue;
      this.#proxyLines.add(line);
      this.#say(problem);
    }
  }

  #say({ object, path, message, severity }: Problem): void {
    this.#log.warn({ object, path, severity, problem: message }, 'a problem in an object');
  }
}
