#!/usr/bin/env bash
# npm test: types, lint, then every test that needs no root: Node's own runner, files in parallel.
# Arguments are for the runner: test files, and its options; without them all files but test/system run.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$#" = 0 ]; then
  tsc --noEmit
  biome check
  mapfile -t files < <(find test -name '*.test.ts' -not -path 'test/system/*' | sort)
  # Node's own default leaves a core idle, half of a machine with two.
  set -- --test-concurrency="$(node -p 'os.availableParallelism()')" "${files[@]}"
fi
# One seed, a failure where nothing is asserted, and a word of what is left out.
exec node --import ./test/support/seed.ts --import ./test/support/asserted.ts --test \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=./test/support/left-out.ts --test-reporter-destination=stderr "$@"
