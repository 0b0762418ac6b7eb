#!/usr/bin/env bash
# down.sh [--wipe]: ends the node and removes all that up.sh made: processes, namespaces, mounts, routes, cgroups, sysctls. --wipe also
# forgets the images that containerd has imported.
set -uo pipefail # it goes on where something is gone already
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

is_node() {
  [ -f "$RUN/node.pid" ] && [ "$(readlink "/proc/$(cat "$RUN/node.pid")/exe")" = "$PAUSE" ]
}

# Leaves containerd's metadata clean for the next start.
stop_containers() {
  node pkill -x kubelet
  sleep 0.5
  ctr -n k8s.io tasks ls -q | xargs -r -n1 ctr -n k8s.io tasks rm -f
  ctr -n k8s.io containers ls -q | xargs -r ctr -n k8s.io containers rm
  node pkill -x containerd
  sleep 0.5
}

remove_cgroups() {
  local controller group tries
  for controller in "${CGROUPS[@]}"; do
    group=/sys/fs/cgroup/$controller/meshlab
    for ((tries = 0; tries < 5; tries++)); do
      [ -d "$group" ] || break
      find "$group" -depth -type d -exec rmdir {} \; 2> /dev/null
      [ ! -d "$group" ] || sleep 0.3
    done
    [ ! -d "$group" ] || echo "left: $group" >&2
  done
}

if is_node; then
  pid=$(cat "$RUN/node.pid")
  [ ! -S "$CONTAINERD_ADDRESS" ] || stop_containers > /dev/null 2>&1
  kill -9 "$pid" # pid 1 of the node: everything in it, its mounts and its network go with it
  wait_for test ! -e "/proc/$pid"
fi
if [ -f "$RUN/unshare.pid" ]; then
  outer=$(cat "$RUN/unshare.pid")
  if [ "$(cat "/proc/$outer/comm" 2> /dev/null)" = unshare ]; then
    kill "$outer"
  fi
fi
{
  ip link del meshlab0
  ip route del "$POD_CIDR"
  ip route del "$SERVICE_CIDR"
  rmdir /var/lib/cni
} 2> /dev/null
remove_cgroups
if [ -f "$RUN/sysctl.saved" ]; then
  sysctl -qp "$RUN/sysctl.saved" 2> /dev/null
  rm -f "$RUN/sysctl.saved"
fi
rm -rf "$RUN/cg" "$RUN"/*.pid "$RUN"/*.sock* "$RUN/containerd" "$RUN/etcd" "$DATA/kubelet" "$DATA/log"
if [ "${1:-}" = --wipe ]; then
  rm -rf "$DATA"
fi
if mounts=$(mount | grep -F "$LAB"); then
  printf 'left mounts:\n%s\n' "$mounts" >&2
fi
echo down
