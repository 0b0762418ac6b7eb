import { readlink } from 'node:fs/promises';
import { parse, resolve, sep } from 'node:path';

/** As many links in a row as Linux follows. */
const most = 40;

/**
 * The names that the way through a link depends on, each with the folder that it is in: that of every link on the way, and of what is at its
 * end. Whoever watches them sees where the link leads change, and what is there.
 */
export async function wayOf(link: string): Promise<readonly (readonly [folder: string, name: string])[]> {
  const way: [string, string][] = [];
  let path = resolve(link);
  for (let links = 0; links < most; ) {
    const { root } = parse(path);
    const names = path.slice(root.length).split(sep);
    let folder = root;
    let next: string | undefined;
    for (const [i, name] of names.entries()) {
      const here = resolve(folder, name);
      // What cannot be read is told by whoever reads what is at the end.
      const target = await readlink(here).catch(() => undefined);
      if (target !== undefined || i === names.length - 1) way.push([folder, name]);
      if (target !== undefined) {
        next = resolve(folder, target, ...names.slice(i + 1));
        break;
      }
      folder = here;
    }
    if (next === undefined) break;
    path = next;
    links++;
  }
  return way;
}
