/** Things of peers, told apart by the IP address that they come from: whom there is no room for is of the address that has most. */
export class ByAddress<T> {
  readonly #byHost = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds what is not there yet, behind all others of its address. */
  add(host: string, item: T): void {
    const beside = this.#byHost.get(host) ?? new Set();
    if (beside.has(item)) return;
    this.#byHost.set(host, beside.add(item));
    this.#size++;
  }

  delete(host: string, item: T): void {
    const beside = this.#byHost.get(host);
    if (!beside?.delete(item)) return;
    this.#size--;
    if (!beside.size) this.#byHost.delete(host);
  }

  /** Those of an address, the first added first. */
  of(host: string): ReadonlySet<T> {
    return this.#byHost.get(host) ?? new Set();
  }

  /** Those of each address. */
  lists(): readonly (readonly T[])[] {
    return Array.from(this.#byHost.values(), of => [...of]);
  }

  /** Those of the address that has most: of `host` where that has as many as any other. */
  most(host: string): ReadonlySet<T> {
    let most = this.of(host);
    for (const of of this.#byHost.values()) if (of.size > most.size) most = of;
    return most;
  }
}
