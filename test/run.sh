#!/usr/bin/env bash
# npm test: types, lint, then every test that needs no root: Node's own runner, files in parallel.
# Arguments are test files; without them all but test/system run.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$#" -gt 0 ]; then
  exec node --import ./test/support/seed.ts --test "$@"
fi
tsc --noEmit
biome check
mapfile -t files < <(find test -name '*.test.ts' -not -path 'test/system/*' | sort)
exec node --import ./test/support/seed.ts --test "${files[@]}"
