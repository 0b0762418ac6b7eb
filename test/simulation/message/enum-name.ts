/** The name of a value of a protobuf enum; the number where it has none. */
export const enumName = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(names).find(([, known]) => known === value)?.[0] ?? String(value);
