/** Paths by which somebody might come past a policy, and what is to reach the application in their place. */

/** The modes of MeshConfig's pathNormalization. */
export const MODES = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const;
export type Mode = (typeof MODES)[number];

/** A path, or the status of an answer that is the proxy's own. */
type Arrival = string | number;

/** What reaches the application in each mode, in their order; one for all. */
type Arrives = string | readonly [none: string, base: Arrival, merged: Arrival, decoded: Arrival];

/**
 * Istio's own list (tests/integration/security/normalization_test.go), by its expectations; `/..;/admin` is a path of its own in Envoy, and
 * becomes `/admin` there on the way through Istio's test client.
 */
const ofIstio: readonly (readonly [path: string, arrives: Arrives])[] = [
  ['/', '/'],
  ['/app/', '/app/'],
  ['/app', '/app'],
  ['/app/../admin', ['/app/../admin', '/admin', '/admin', '/admin']],
  ['/app//', ['/app//', '/app//', '/app/', '/app/']],
  ['/app/%2f', ['/app/%2f', '/app/%2f', '/app/%2f', '/app/']],
  ['/app%2f/', ['/app%2f/', '/app%2f/', '/app%2f/', '/app/']],
  ['/xyz%30..//abc', ['/xyz%30..//abc', '/xyz0..//abc', '/xyz0../abc', '/xyz0../abc']],
  ['/app/%2E./admin', ['/app/%2E./admin', '/admin', '/admin', '/admin']],
  ['/app\\admin', ['/app\\admin', '/app/admin', '/app/admin', '/app/admin']],
  ['/app/\\/\\/\\admin', ['/app/\\/\\/\\admin', '/app//////admin', '/app/admin', '/app/admin']],
  [
    '/%2Fapp%5cadmin%5Cabc',
    ['/%2Fapp%5cadmin%5Cabc', '/%2Fapp%5cadmin%5Cabc', '/%2Fapp%5cadmin%5Cabc', '/app/admin/abc'],
  ],
  [
    '/%5Capp%2f%5c%2F%2e%2e%2fadmin%5c\\abc',
    [
      '/%5Capp%2f%5c%2F%2e%2e%2fadmin%5c\\abc',
      '/%5Capp%2f%5c%2F..%2fadmin%5c/abc',
      '/%5Capp%2f%5c%2F..%2fadmin%5c/abc',
      '/app/admin/abc',
    ],
  ],
  ['/app//../admin', ['/app//../admin', '/app/admin', '/app/admin', '/app/admin']],
  ['/app//../../admin', ['/app//../../admin', '/admin', '/admin', '/admin']],
  ['/%c0%2e%c0%2e/admin', ['/%c0%2e%c0%2e/admin', '/%c0.%c0./admin', '/%c0.%c0./admin', '/%c0.%c0./admin']],
  ['/%c0%2fadmin', ['/%c0%2fadmin', '/%c0%2fadmin', '/%c0%2fadmin', '/%c0/admin']],
  ...[
    '/0x2e0x2e/admin',
    '/0x2e0x2e0x2fadmin',
    '/0x2e0x2e0x5cadmin',
    '/0x2f0x2fadmin',
    '/0x5c0x5cadmin',
    '/%25c0%25ae%25c1%259cadmin',
    '/%25c0%25ae%25c0%25ae/admin',
    '/%25c0%25afadmin',
    '/%25c1%259cadmin',
    '/%252e%252e/admin',
    '/%252e%252e%252fadmin',
    '/%c1%9cadmin',
    '/%c0%ae%c0%ae/admin',
    '/%c0%afadmin',
    '/.../admin',
    '/..../admin',
    '/;/admin',
    '/admin;a=b',
    '/admin;a=b/xyz',
    '/admin,a=b/xyz',
    '/Admin',
    '/ADMIN',
  ].map(path => [path, path] as const),
  // An encoded NUL is refused as soon as paths are looked at.
  ['/admin%00', ['/admin%00', 400, 400, 400]],
];

/** What Envoy decodes: letters, digits and `-._~`, and what is a slash in the strictest mode. */
function percent(code: number): readonly [path: string, arrives: Arrives] {
  const path = `/admin%${code.toString(16).padStart(2, '0')}`;
  const character = String.fromCharCode(code);
  if (/[-.~\w]/.test(character)) {
    const decoded = `/admin${character}`;
    return [path, [path, decoded, decoded, decoded]];
  }
  return [path, /[/\\]/.test(character) ? [path, path, path, '/admin/'] : path];
}

/** Those of advisories and of people who try. What arrives is seen in the tests: what counts is that the policy judges the same. */
const others = [
  '/app/./admin',
  '/./admin',
  '/../admin',
  '/..',
  '/admin/.',
  '/admin/..',
  '/admin/../',
  '/app/.%2e/admin',
  '/app/%2e%2e/admin',
  '/app/%2e%2e%2fadmin',
  '/app/..%2fadmin',
  '/app/..%5cadmin',
  '/app/..%5Cadmin',
  '/app/..\\admin',
  '\\admin',
  '/\\admin',
  '//admin',
  '///admin',
  '/admin//',
  '/admin///x',
  '/admin/%2f%2fx',
  '/%2fadmin',
  '/%2Fadmin',
  '/%2f%2fadmin',
  '/%5cadmin',
  '/x%2fadmin',
  '/x%2f../admin',
  '/x%2f..%2fadmin',
  '/x/%2f/../admin',
  '/%61dmin',
  '/%41dmin',
  '/adm%69n',
  '/admin%2fx',
  '/admin%5cx',
  '/admin%3bx',
  '/admin%3fx',
  '/admin%23x',
  '/admin%20',
  '/admin%09',
  '/admin%0a',
  '/admin%0d%0aX:y',
  '/admin%',
  '/admin%2',
  '/admin%zz',
  '/admin%u002f',
  '/admin;',
  '/admin;/',
  '/admin/;',
  '/admin;x=/../app',
  '/..;/admin',
  '/app/..;/admin',
  '/app/..;x=y/admin',
  '/app;/../admin',
  '/admin.',
  '/admin..',
  '/admin./x',
  '/admin.json',
  '/admin~',
  '/admin*',
  '/admin|x',
  '/admin/x|y',
  '/admin/"x"',
  '/admin/<x>',
  '/admin/{x}',
  '/admin/[x]',
  '/admin/x^y',
  '/admin/x`y',
  '/admin/x*y',
  '/admin/x@y:z',
  "/admin/x!$&'()+,=y",
  '/admin/\x80x',
  '/admin/\xc3\xa9',
  '/admin\x7f',
  '/admin?',
  '/admin?x',
  '/admin?/../app',
  '/admin/?x=/app',
  '/admin/x?y/z',
  '/app?/../admin',
  '/app?x=%2fadmin',
  '/app?#/admin',
  '/app/x?y=/../../admin',
  '/app/%2e%2e?/admin',
  '/app/..?x',
  '/app/x/../../admin?x=//y/../z',
  '/admin/x/y',
  '/admin/x//y',
  '/admin/x%2fy',
  '/admin/x/../y',
  '/admin/',
  '/admin',
  '/admin/x',
  '/admin/x/',
  '/administrator',
  '/x/admin',
  `/${'x/../'.repeat(200)}admin`,
  `/${'/'.repeat(500)}admin`,
];

/** A path, and what must arrive in a mode: undefined where any that was judged will do. */
export interface PathCase {
  readonly path: string;
  readonly arrives: (mode: Mode) => Arrival | undefined;
}

const told = ([path, arrives]: readonly [path: string, arrives: Arrives]): PathCase => ({
  path,
  arrives: mode => (typeof arrives === 'string' ? arrives : arrives[MODES.indexOf(mode)]),
});

/** Each of them is compared with every pattern, too. */
export const pathCases: readonly PathCase[] = [
  ...ofIstio.map(told),
  ...others.map(path => ({ path, arrives: () => undefined })),
];

/** Every character, encoded. */
export const encodedCases: readonly PathCase[] = Array.from({ length: 255 }, (_, i) => told(percent(i + 1)));
