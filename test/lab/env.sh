# Sourced by the lab's scripts: where the peers are kept, and how Go builds them.
# LAB_CACHE (or PILOTLIGHT_LAB_CACHE) moves the cache. It may be deleted at any time: build.sh fills it again.

LAB_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_CACHE=${LAB_CACHE:-${PILOTLIGHT_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mesh-lab}}
LAB_BIN=$LAB_CACHE/bin
export LAB_CACHE CGO_ENABLED=0 GOFLAGS=-trimpath
mkdir -p "$LAB_BIN"

# wait_for COMMAND...: until the command succeeds. Fails after so long that it never will: a busy machine is slow.
wait_for() {
  local deadline=$((SECONDS + 300))
  until "$@" > /dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      return 1
    fi
    sleep 0.2
  done
}
