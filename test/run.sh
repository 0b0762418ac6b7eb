#!/usr/bin/env bash
# npm test: types, lint, then every test that needs no root: Node's own runner, files in parallel.
# Arguments are for the runner: test files, and its options; without them all files but test/system run.
set -euo pipefail
cd "$(dirname "$0")/.."

# One seed, a failure where nothing is asserted, and a word of what is left out.
run() {
  node --import ./test/support/seed.ts --import ./test/support/asserted.ts --test \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=./test/support/left-out.ts --test-reporter-destination=stderr "$@"
}

if [ "$#" -gt 0 ]; then
  run "$@"
  exit
fi
tsc --noEmit
biome check
# What measures runs by itself.
measuring=(test/growth/*.test.ts test/hostile/*.test.ts test/held.test.ts)
mapfile -t files < <(printf '%s\n' "${measuring[@]}" | grep -vxFf - <(find test -name '*.test.ts' -not -path 'test/system/*' | sort))
status=0
# Node's own default leaves a core idle, half of a machine with two.
run --test-concurrency="$(node -p 'os.availableParallelism()')" "${files[@]}" || status=$?
run --test-concurrency=1 "${measuring[@]}" || status=$?
exit "$status"
