import { createRequire } from 'node:module';

/** Google's RE2, compiled to WebAssembly; its own module, because the package's entry writes expressions of JavaScript in RE2's syntax. */
interface Module {
  readonly WrappedRE2: new (
    pattern: string,
    ignoreCase: boolean,
    multiline: boolean,
    dotAll: boolean,
  ) => {
    ok(): boolean;
    match(text: string, start: number, groups: boolean): { readonly index: number };
    delete(): void;
  };
}

const require = createRequire(import.meta.url);
const path = 're2-wasm/build/wasm/re2.js';

/** It has 16 MB, and what is freed is not all there again. */
const mostUses = 500;

let module: Module | undefined;
let uses = 0;

function fresh(): Module {
  delete require.cache[require.resolve(path)];
  return require(path) as Module;
}

/** What RE2 finds in each text, from where; undefined where it does not take the expression, or `too large` where it has no room for it. */
export function askRe2(pattern: string, texts: readonly string[] = []): readonly boolean[] | undefined | 'too large' {
  if (uses++ % mostUses === 0) module = undefined;
  module ??= fresh();
  try {
    const expression = new module.WrappedRE2(pattern, false, false, false);
    const found = expression.ok() ? texts.map(text => expression.match(text, 0, false).index >= 0) : undefined;
    expression.delete();
    return found;
  } catch {
    module = undefined;
    return 'too large';
  }
}
