import { bounds } from '../bounds.ts';
import type { Problem } from '../config/problem.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { inOneGo } from '../slices.ts';
import { afterComments, lineOf, partsOf } from '../yaml/documents.ts';
import { type Decoded, decode } from './encoding.ts';
import { type Found, findIn, type ManifestObject } from './found.ts';

/** What a file gives: its objects in order, and what is wrong with the file itself or with objects that no API server would take. */
export interface ManifestContents {
  readonly objects: ReadonlyMap<ObjectKey, ManifestObject>;
  readonly problems: readonly Problem[];
}

const maxProblems = bounds['file-problems'].most;

/**
 * One file of Kubernetes objects in YAML or JSON. What cannot be identified keeps what the file had: where a document is no YAML, no object
 * or has no name, the objects that are now missing stay, because it may be one of them. So they do where the file is empty or ends in the
 * middle of what it was: it is being written, or someone made a mistake, and neither may take traffic away. An object is gone when all
 * that is left in the file can be identified and it is not among it.
 */
export class Manifest {
  /** `File/<path>`: names the file in problems. */
  readonly key: ObjectKey;
  readonly #mesh: boolean;
  readonly #json: boolean;
  #contents: ManifestContents = { objects: new Map(), problems: [] };
  /** What the parts of the last text come to: one edited object in a long file costs one object. */
  #parts: ReadonlyMap<string, readonly Found[]> = new Map();
  #text: string | undefined;
  /** The last text of which everything could be identified. */
  #whole = '';
  #waiting = false;

  /** `path` is relative to the folder; `meshconfig.yaml` at its top is the mesh's settings and no object. */
  constructor(path: string) {
    this.key = objectKey('File', '', path);
    this.#mesh = /^meshconfig\.ya?ml$/i.test(path);
    this.#json = /\.json$/i.test(path);
  }

  get contents(): ManifestContents {
    return this.#contents;
  }

  /** Whether objects are missing that will be gone when the same bytes are there once more, at rest. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Takes the file's new bytes in. */
  update(bytes: Buffer): void {
    inOneGo(this.updating(decode(bytes), true));
  }

  /**
   * The same in slices: yields between them, and changes `contents` at its end. Of a text that is not `atRest` what is missing may be on its
   * way: it stays for now.
   */
  *updating(decoded: Decoded, atRest: boolean): Generator<undefined, void> {
    if ('message' in decoded) {
      this.fail(decoded.message, `line ${decoded.line}`);
      return;
    }
    const { text } = decoded;
    if (text === this.#text && !(atRest && this.#waiting)) return;
    const parts = new Map<string, readonly Found[]>();
    const found: (readonly [line: number, found: Found])[] = [];
    for (const { line, text: part } of partsOf(text)) {
      const inPart = parts.get(part) ?? this.#parts.get(part) ?? (yield* findIn(part, this.#mesh));
      parts.set(part, inPart);
      for (const one of inPart) found.push([line + one.line + 1, one]);
      yield undefined;
    }
    this.#parts = parts;
    this.#text = text;
    this.#take(text, found, atRest);
  }

  /** Notes why the file cannot be read at all; what it had stays. */
  fail(message: string, path = ''): void {
    this.#waiting = false;
    this.#text = undefined;
    const problems = [this.#problem(path, message)];
    this.#contents = this.#keeping(this.#contents.objects, new Map(), problems);
  }

  #take(text: string, found: readonly (readonly [number, Found])[], atRest: boolean): void {
    this.#waiting = false;
    const before = this.#contents.objects;
    const objects = new Map<ObjectKey, ManifestObject>();
    const problems: Problem[] = [];
    const skipped = new Map<string, number>();
    let identified = true;
    for (const [line, one] of found) {
      const at = `line ${line}`;
      if ('key' in one) {
        if (objects.has(one.key))
          problems.push(this.#problem(at, `${one.key} is in this file twice; the first is in force`));
        else objects.set(one.key, one);
      } else if ('refused' in one) {
        identified = false;
        for (const { path, message } of one.refusals)
          problems.push({ object: one.refused, path, message, severity: 'error' });
      } else if ('mistake' in one) {
        identified = false;
        problems.push(this.#problem(at, one.mistake));
      } else if ('warning' in one) problems.push(this.#problem(at, one.warning, 'warning'));
      else skipped.set(one.skipped, (skipped.get(one.skipped) ?? 0) + 1);
    }
    if (this.#json && !identified && !objects.size && !before.size && !text.includes('"apiVersion"')) {
      // package.json and the like.
      this.#contents = {
        objects,
        problems: [this.#problem('', 'skipped: it holds no object of Kubernetes', 'warning')],
      };
      return;
    }
    for (const [what, count] of skipped) {
      problems.push(this.#problem('', `${count === 1 ? 'an object' : `${count} objects`} ${what}`, 'warning'));
    }
    const missing = [...before.keys()].some(key => !objects.has(key));
    if (missing && text.trim() === '') {
      problems.unshift(this.#problem('', 'the file is empty: remove it to take its objects out of force'));
      this.#contents = this.#keeping(before, objects, problems);
    } else if (missing && identified && isCutShort(text, this.#whole)) {
      const message = 'the file ends in the middle of what it was; where that is meant, end it with a line ---';
      problems.unshift(this.#problem(`line ${lineOf(text) + 1}`, message));
      // The object that the cut goes through is half of what it was: not even that is taken.
      this.#contents = this.#keeping(before, new Map(), problems);
    } else if (!identified) this.#contents = this.#keeping(before, objects, problems);
    else if (missing && !atRest) {
      this.#waiting = true;
      this.#contents = { objects: new Map([...before, ...objects]), problems: bounded(problems) };
    } else {
      this.#whole = text;
      this.#contents = { objects, problems: bounded(problems) };
    }
  }

  /** What is read now, and of what was there before what is not. */
  #keeping(
    before: ManifestContents['objects'],
    now: ManifestContents['objects'],
    problems: readonly Problem[],
  ): ManifestContents {
    const objects = new Map(now);
    for (const [key, object] of before) if (!objects.has(key)) objects.set(key, object);
    const kept = objects.size - now.size;
    const message = `${kept} of its objects are not to be read now; their last versions stay in force`;
    return { objects, problems: bounded(kept ? [...problems, this.#problem('', message)] : problems) };
  }

  #problem(path: string, message: string, severity: Problem['severity'] = 'error'): Problem {
    return { object: this.key, path, message: message.slice(0, 500), severity };
  }
}

function bounded(problems: readonly Problem[]): readonly Problem[] {
  const [first] = problems;
  if (!first || problems.length <= maxProblems) return problems;
  const more = `${problems.length - maxProblems} more problems are not shown`;
  // The last says what stays in force.
  return [...problems.slice(0, maxProblems - 1), { ...first, path: '', message: more }, ...problems.slice(-1)];
}

/**
 * Whether a text is the beginning of a longer one and ends within a document of it. Where a document ends, those after it may as well have
 * been removed; the dashes before one are not the beginning of it.
 */
function isCutShort(text: string, whole: string): boolean {
  if (text.length >= whole.length || !whole.startsWith(text)) return false;
  const separator = Math.max(text.lastIndexOf('\n---'), text.lastIndexOf('\n...'));
  if (separator >= 0 && text.slice(separator + 4).trim() === '') return false;
  // The rest of the line that the cut goes through says whether that line is whole.
  const end = text.endsWith('\n') ? text.length : whole.indexOf('\n', text.length) + 1;
  if (!end || whole.slice(text.length, end).trim() !== '') return true;
  const next = afterComments(whole, end);
  return next < whole.length && !/^(?:---|\.\.\.)/.test(whole.slice(next, next + 3));
}
