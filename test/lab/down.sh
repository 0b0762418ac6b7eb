#!/usr/bin/env bash
# down.sh DIR: ends what up.sh and istiod.sh started in DIR, waits until it has ended, and removes etcd's data.
set -euo pipefail

cd "${1:?a directory}"
pids=()
for file in *.pid; do
  if [ -f "$file" ]; then
    pids+=("$(cat "$file")")
    rm "$file"
  fi
done

any_alive() {
  local pid
  for pid in "${pids[@]}"; do
    if kill -0 "$pid" 2> /dev/null; then
      return 0
    fi
  done
  return 1
}

for pid in "${pids[@]}"; do
  kill "$pid" 2> /dev/null || true # it may have ended by itself
done
for ((tries = 0; tries < 100; tries++)); do
  any_alive || break
  if ((tries == 75)); then
    for pid in "${pids[@]}"; do
      kill -9 "$pid" 2> /dev/null || true
    done
  fi
  sleep 0.2
done
rm -rf etcd
