/** A value with what it was made from, by name. */
export interface Stage<I, V> {
  readonly inputs: I;
  readonly value: V;
}

/** What was done for a stage of a mesh. */
export interface StageRun {
  readonly name: string;
  /** The names of what it reads. */
  readonly inputs: readonly string[];
  /** Those of them that are not what they were; where there are none the value before is the value. */
  readonly changed: readonly string[];
  /** Milliseconds that it took to make the value. */
  readonly ms: number;
}

/** A function of what a stage reads; the value before may be at hand, with what it was made from. A long one yields between slices. */
type Make<I, V> = (inputs: I, previous: Stage<I, V> | undefined) => Generator<undefined, V> | V;

const isGenerator = <V>(made: Generator<undefined, V> | V): made is Generator<undefined, V> =>
  Object.prototype.toString.call(made) === '[object Generator]';

/** The stages of one mesh, in the order in which they are made. A stage whose inputs are all as before keeps its value. */
export class Stages {
  /** What is left of the mesh before: each value goes when it has been looked at. */
  readonly #last: Map<string, Stage<unknown, unknown>>;
  readonly #now: () => number;
  readonly #made = new Map<string, Stage<unknown, unknown>>();
  readonly #runs: StageRun[] = [];

  /** `now` is a clock in milliseconds, for what stages cost. */
  constructor(before: Stages | undefined, now: () => number) {
    this.#last = new Map(before ? before.#made : []);
    this.#now = now;
  }

  /** What was done for each stage, in order. */
  get runs(): readonly StageRun[] {
    return this.#runs;
  }

  /** What a stage came to. */
  value(name: string): unknown {
    return this.#made.get(name)?.value;
  }

  /** The value of a stage; yields before it and between its slices. */
  *of<I extends object, V>(name: string, inputs: I, make: Make<I, V>): Generator<undefined, V> {
    yield undefined;
    // A name has inputs and values of the types that it is made with, which is in one place.
    const last = this.#last.get(name) as Stage<I, V> | undefined;
    this.#last.delete(name);
    const names = Object.keys(inputs);
    const changed = names.filter(input => !last || Reflect.get(inputs, input) !== Reflect.get(last.inputs, input));
    if (last && changed.length === 0) return this.#keep(name, names, changed, 0, last);
    let began = this.#now();
    let ms = 0;
    const made = make(inputs, last);
    let value: V;
    if (isGenerator(made)) {
      let step = made.next();
      for (; !step.done; step = made.next()) {
        ms += this.#now() - began;
        yield undefined;
        began = this.#now();
      }
      value = step.value;
    } else value = made;
    return this.#keep(name, names, changed, ms + this.#now() - began, { inputs, value });
  }

  #keep<I, V>(name: string, inputs: readonly string[], changed: readonly string[], ms: number, made: Stage<I, V>): V {
    this.#made.set(name, made);
    this.#runs.push({ name, inputs, changed, ms });
    return made.value;
  }
}
