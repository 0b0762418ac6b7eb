import { type Calls, sharesOf } from './calls.ts';

/** What the picture shows beside the calls. */
export interface Scene {
  readonly title: string;
  readonly file: string;
  /** The file's text. */
  readonly text: string;
  readonly page: string;
}

/** The calls of so many milliseconds are in the picture. */
const WINDOW = 3000;

const BAR = 30;

const percent = (share: number): string => `${Math.round(share * 100)} %`.padStart(5);

const rows = [
  { key: 'v1', label: 'reviews v1', colour: 36 },
  { key: 'v2', label: 'reviews v2', colour: 33 },
  { key: 'v3', label: 'reviews v3', colour: 35 },
  { key: 'errors', label: 'errors', colour: 31 },
] as const;

type Style = (code: number, text: string) => string;

function bar(share: number, code: number, style: Style): string {
  const length = share > 0 ? Math.max(1, Math.round(share * BAR)) : 0;
  return `${style(code, '█'.repeat(length))}${style(2, '·'.repeat(BAR - length))} ${percent(share)}`;
}

const columns = (calls: Calls) => {
  const recent = calls.since(WINDOW);
  return {
    guests: sharesOf(recent.filter(c => c.user === '')),
    jason: sharesOf(recent.filter(c => c.user === 'jason')),
    all: sharesOf(recent),
  };
};

/** The picture, line by line. `style` wraps a text in an ANSI code, or leaves it as it is. */
export function picture(calls: Calls, { title, file, text, page }: Scene, style: Style): readonly string[] {
  const { guests, jason, all } = columns(calls);
  const spec = text.split('\n').slice(text.split('\n').indexOf('spec:') + 1);
  return [
    style(1, "Pilotlight: bookinfo's pods on this machine, each behind an Envoy of its own"),
    '',
    `${style(1, 'Now:')} ${title}`,
    '',
    `${"productpage's calls to".padEnd(24)}${'everyone'.padEnd(BAR + 8)}user jason`,
    ...rows.map(
      ({ key, label, colour }) =>
        `  ${label.padEnd(22)}${bar(guests[key], colour, style)}  ${bar(jason[key], colour, style)}`,
    ),
    '',
    `  ${(all.calls / (WINDOW / 1000)).toFixed(0)} calls a second; half of them within ${all.p50.toFixed(1)} ms, 99 of 100 within ${all.p99.toFixed(1)} ms`,
    '',
    `Edit it yourself, and the demo leaves it to you:  ${style(1, file)}`,
    `Be a visitor yourself, as jason or not:           ${style(1, `curl -H 'end-user: jason' ${page}`)}`,
    'Ctrl-C ends it and takes everything away.',
    '',
    ...spec.map(line => style(2, `  ${line}`)),
  ];
}

/** One line of the same, for output that is no terminal. */
export function line(calls: Calls, { title }: Scene): string {
  const { guests, jason, all } = columns(calls);
  const of = (s: typeof guests): string => rows.map(({ key }) => `${key} ${percent(s[key])}`).join(' ');
  return `${of(guests)}  | jason: ${of(jason)}  | ${all.calls} calls, p50 ${all.p50.toFixed(1)} ms, p99 ${all.p99.toFixed(1)} ms  | ${title}`;
}

/** A terminal on which each picture is drawn over the last one. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  #drawn = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  draw(lines: readonly string[]): void {
    // The cursor cannot go back above the top, and a line that wraps is two: what does not fit is left out.
    const fitting = lines.slice(0, Math.max(1, (this.#out.rows || 24) - 1));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#out.write(`\x1b[?7l${up}${fitting.map(text => `\x1b[2K${text}\n`).join('')}\x1b[0J\x1b[?7h`);
    this.#drawn = fitting.length;
  }
}
