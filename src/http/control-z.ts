import { hostname, tmpdir } from 'node:os';
import type { LogLevel } from '../log/log-level.ts';
import type { LogScopes, Scope } from '../log/log-scopes.ts';
import { fieldsOf, isObject, jsonIn } from '../unknown.ts';
import { BUILD_INFO } from '../version.ts';
import type { Answer, PageRequest, Pages } from './page.ts';

/** istiod's words for the levels. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  none: 'silent',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
};

const wordOf = (level: LogLevel): string =>
  level === 'trace' ? 'debug' : (Object.entries(LEVELS).find(([, each]) => each === level)?.[0] ?? 'info');

const scopeJson = ({ name, description, level }: Scope): object => ({
  name,
  description,
  output_level: wordOf(level),
  stack_trace_level: 'none',
  log_callers: false,
});

const PATH = '/scopej';

const processInfo = (): object => ({
  egid: process.getegid?.(),
  euid: process.geteuid?.(),
  gid: process.getgid?.(),
  groups: process.getgroups?.(),
  pid: process.pid,
  ppid: process.ppid,
  uid: process.getuid?.(),
  wd: process.cwd(),
  hostname: hostname(),
  tempdir: tmpdir(),
});

/**
 * istiod's ControlZ: the scopes of the log, which `istioctl admin log` shows and sets, the version and the process. Its memory and signals are
 * Go's, and the environment, which may hold credentials, is not shown.
 */
export function controlZPages(scopes: LogScopes): Pages {
  const list = (): Answer => ({ body: scopes.list().map(scopeJson) });
  const one = ({ method, path, body }: PageRequest): Answer => {
    const name = path.slice(PATH.length + 1);
    const isPut = method === 'PUT';
    if (!name && !isPut) return list();
    const scope = scopes.find(name);
    if (!scope) {
      const known = scopes.list().map(each => each.name);
      return { status: 400, body: `unknown scope name: ${name}; there are ${known.join(', ')}\n` };
    }
    if (!isPut) return { body: scopeJson(scope) };
    const level = levelIn(body);
    if ('problem' in level) return { status: 400, body: `${level.problem}\n` };
    if (level.level) scopes.set(name, level.level);
    return { status: 202, body: '' };
  };
  const shows = 'mesh' as const;
  const index = (): Answer => ({
    body: scopes
      .list()
      .map(({ name, level, description }) => `${name.padEnd(10)} ${wordOf(level).padEnd(6)} ${description}\n`)
      .join(''),
  });
  const told = (topic: string, help: string, body: () => unknown): Pages => {
    const entry = { help, shows, page: () => ({ body: body() }) };
    return { [`/${topic}j`]: entry, [`/${topic}j/`]: entry };
  };
  return {
    ...told('version', 'The version of this control plane', () => BUILD_INFO),
    ...told('proc', 'The process', processInfo),
    '/': { help: 'The scopes of the log; istioctl admin log sets their levels', shows, page: index },
    [PATH]: { help: 'The scopes of the log', shows, page: list },
    [`${PATH}/`]: { help: 'One of them: GET, or PUT with output_level', shows, methods: ['GET', 'PUT'], page: one },
  };
}

const NO_REQUEST = 'unable to decode request: expected JSON such as {"output_level": "debug"}';

/** The level that a request asks for; undefined where it asks for none. */
function levelIn(body: Buffer): { readonly level: LogLevel | undefined } | { readonly problem: string } {
  const asked = jsonIn(body.toString());
  if (asked !== null && !isObject(asked)) return { problem: NO_REQUEST };
  const { output_level: word = '' } = fieldsOf(asked);
  if (word === null || word === '') return { level: undefined };
  const level = typeof word === 'string' && Object.hasOwn(LEVELS, word) ? LEVELS[word] : undefined;
  return level ? { level } : { problem: `output_level is one of ${Object.keys(LEVELS).join(', ')}` };
}
