import type { LabCluster } from '../lab-cluster.ts';
import { containerOf } from './workloads.ts';

/** What curl got. Status 0: no answer, and `error` says why. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly seconds: number;
  readonly error: string;
}

/** Characters that nobody answers with: between the parts of an answer, and behind it. */
const [PART, END] = ['\x1f', '\x1e'];
const FORMAT = `${PART}%{http_code}${PART}%{time_total}${PART}%{errormsg}${PART}%{header_json}${END}`;

/** The shell of a workload's container, as `kubectl exec -it` gives it. */
export class Shell {
  readonly workload: string;
  readonly #cluster: LabCluster;
  readonly #namespace: string;
  readonly #container: string;

  constructor(cluster: LabCluster, namespace: string, workload: string, container = containerOf(workload)) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.workload = workload;
    this.#container = container;
  }

  /** The same pod, and the proxy's user. */
  get ofProxy(): Shell {
    return new Shell(this.#cluster, this.#namespace, this.workload, 'istio-proxy');
  }

  run(...command: readonly string[]): Promise<string> {
    const pod = ['exec', '-n', this.#namespace, `deploy/${this.workload}`, '-c', this.#container];
    return this.#cluster.kubectl(...pod, '--', ...command);
  }

  /** What the container has written since it began. */
  log(): Promise<string> {
    return this.#cluster.kubectl('logs', '-n', this.#namespace, `deploy/${this.workload}`, '-c', this.#container);
  }

  /** `curl ARGUMENTS`, each time on a connection of its own. */
  async curl(
    args: string | readonly string[],
    { times = 1, atOnce = 1 }: { readonly times?: number; readonly atOnce?: number } = {},
  ): Promise<readonly Answer[]> {
    // What one run says is written at once, so that it stays together.
    const once = `said=$(curl -s -m 60 "$@"); printf %s "$said"`;
    const script = `seq "$1" | xargs -P "$2" -I@never@ sh -c '${once}' curl "\${@:3}"`;
    const command = ['-w', FORMAT, ...(typeof args === 'string' ? args.split(' ') : args)];
    const said = await this.run('bash', '-c', script, 'bash', String(times), String(atOnce), ...command);
    return said.split(END).filter(Boolean).map(read);
  }

  /** The one answer to `curl ARGUMENTS`. */
  async get(args: string | readonly string[]): Promise<Answer> {
    const [answer] = await this.curl(args);
    if (!answer) throw new Error('curl said nothing');
    return answer;
  }
}

function read(text: string): Answer {
  const [body = '', code, seconds, error = '', headers = ''] = text.split(PART);
  return { body, status: Number(code), seconds: Number(seconds), error, headers: JSON.parse(headers || '{}') };
}

/** How often each body came; answers that are not 200 count under their status. */
export function tally(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = status === 200 ? body : String(status);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
