import type { Entry } from '../page.ts';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color-scheme:light dark}
table{border-collapse:collapse}td{border-top:1px solid #8886;padding:.3em 1em .3em 0;vertical-align:top}a{white-space:nowrap}`;

/** The index of the pages for a browser, as `istioctl dashboard istiod-debug` opens it. */
export function htmlIndex(paths: readonly (readonly [path: string, entry: Entry])[]): string {
  const rows = paths.map(
    ([path, { help }]) =>
      `<tr><td><a href="${escaped(path)}">${escaped(path)}</a></td><td>${escaped(help)}</td></tr>\n`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Pilotlight: debug pages</title><style>${STYLE}</style></head>
<body>
<h1>Debug pages</h1>
<table>
${rows.join('')}</table>
</body>
</html>
`;
}
