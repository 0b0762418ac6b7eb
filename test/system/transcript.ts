/** Who printed a row: the Istio of the published walkthrough, the real istiod of today, ours for Istio's proxy, ours for stock Envoy. */
export const PRINTERS = 'piae';
export type Printer = 'p' | 'i' | 'a' | 'e';

/** What was printed, in its normal form: the cells of a row of a table, the path and the value of a leaf of JSON, or a line. */
export type Cells = readonly string[];

export interface Row {
  readonly printers: ReadonlySet<Printer>;
  /** The name of the reason, where not all of them print it. */
  readonly why: string;
  readonly cells: Cells;
}

/** A line that somebody types: to change something, or to see what the rows say. */
export interface Typed {
  readonly command: string;
  readonly rows?: readonly Row[];
}

/**
 * A walkthrough as it is kept. `# …` is said to the reader, `= NAME …` is a reason, `> …` is typed to change something, `$ …` to see something;
 * below it is what it prints, each row with its printers and why it has not all of them.
 */
export interface Transcript {
  readonly reasons: ReadonlyMap<string, string>;
  readonly parts: readonly (string | Typed)[];
}

const EMPTY = '·';
const WHY = 9;

const isPrinter = (mark: string): mark is Printer => PRINTERS.includes(mark);

export function parseTranscript(text: string): Transcript {
  const reasons = new Map<string, string>();
  const parts: (string | (Typed & { rows?: Row[] }))[] = [];
  for (const line of text.split('\n')) {
    const reason = /^= (\S+) +(.*)$/.exec(line);
    const rows = parts.map(part => (typeof part === 'string' ? undefined : part.rows)).at(-1);
    if (reason) reasons.set(reason[1] ?? '', reason[2] ?? '');
    if (reason || line === '' || line.startsWith('#')) parts.push(line);
    else if (line.startsWith('> ')) parts.push({ command: line.slice(2) });
    else if (line.startsWith('$ ')) parts.push({ command: line.slice(2), rows: [] });
    else if (rows && /^[p.][i.][a.][e.] /.test(line)) rows.push(parseRow(line));
    else throw new Error(`neither a command nor a row of one: ${line}`);
  }
  return { reasons, parts };
}

function parseRow(line: string): Row {
  return {
    printers: new Set([...line.slice(0, PRINTERS.length)].filter(isPrinter)),
    why: line.slice(PRINTERS.length + 1, PRINTERS.length + 1 + WHY).trim(),
    cells: cellsOf(line.slice(PRINTERS.length + WHY + 2)),
  };
}

const cellsOf = (text: string): Cells => text.split(/ {2,}/).map(cell => (cell === EMPTY ? '' : cell));

export function formatTranscript({ parts }: Transcript): string {
  return parts
    .map(part => {
      if (typeof part === 'string') return part;
      return part.rows ? [`$ ${part.command}`, ...formatRows(part.rows)].join('\n') : `> ${part.command}`;
    })
    .join('\n');
}

function formatRows(rows: readonly Row[]): readonly string[] {
  const widths: number[] = [];
  // What is one of a kind does not push the others to the right.
  for (const { cells } of rows)
    for (const [at, cell] of cells.entries()) widths[at] = Math.max(widths[at] ?? 1, cell.length);
  return rows.map(({ printers, why, cells }) => {
    const marks = [...PRINTERS].map(mark => (isPrinter(mark) && printers.has(mark) ? mark : '.')).join('');
    const aligned = cells.map((cell, at) => (cell || EMPTY).padEnd(widths[at] ?? 0));
    return `${marks} ${why.padEnd(WHY)} ${aligned.join('  ')}`.trimEnd();
  });
}

const keyOf = (cells: Cells): string => cells.map(cell => cell || EMPTY).join('  ');

/** What one of them prints, as the transcript has it, in an order of its own. */
export const printedBy = (rows: readonly Row[], printer: Printer): readonly string[] =>
  rows
    .filter(({ printers }) => printers.has(printer))
    .map(({ cells }) => keyOf(cells))
    .sort();

/** The same of what was printed just now; each row counts once. */
export const asPrinted = (printed: readonly Cells[]): readonly string[] => [...new Set(printed.map(keyOf))].sort();

const isTitle = ({ cells }: Row): boolean => cells.length > 1 && cells.every(cell => /^[A-Z][A-Z ()-]+$/.test(cell));

/** The rows, with what one of them printed just now in the place of what it printed before. */
export function record(rows: readonly Row[], printer: Printer, printed: readonly Cells[]): readonly Row[] {
  const now = new Map(printed.map(cells => [keyOf(cells), cells]));
  const kept = rows.map(row => {
    const printers = new Set(row.printers);
    if (now.delete(keyOf(row.cells))) printers.add(printer);
    else printers.delete(printer);
    return { ...row, printers };
  });
  const added = [...now.values()].map(cells => ({ printers: new Set([printer]), why: '', cells }));
  const order = new Intl.Collator('en', { numeric: true });
  return [...kept, ...added]
    .filter(({ printers }) => printers.size > 0)
    .sort((a, b) => Number(isTitle(b)) - Number(isTitle(a)) || order.compare(keyOf(a.cells), keyOf(b.cells)));
}

/** What a transcript lacks: differences of which nobody says why, and reasons that are given for nothing. */
export function unexplained({ parts, reasons }: Transcript): readonly string[] {
  const found: string[] = [];
  const given = new Set<string>();
  for (const part of parts) {
    if (typeof part === 'string') continue;
    const rows = part.rows ?? [];
    const isPublished = rows.some(({ printers }) => printers.has('p'));
    for (const { printers, why, cells } of rows) {
      given.add(why);
      const isCommon = printers.size === PRINTERS.length - (isPublished ? 0 : 1);
      if (isCommon ? why : !reasons.has(why)) found.push(`${part.command}: ${why} ${keyOf(cells)}`);
    }
  }
  return [...found, ...[...reasons.keys()].filter(name => !given.has(name))];
}
