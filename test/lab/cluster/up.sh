#!/usr/bin/env bash
# up.sh [control]: starts the single-node cluster. Everything runs in namespaces of its own (pid, mount, network, host name: "the node"), so
# that down.sh has only one process to end. With `control` only etcd, API server, controller-manager and scheduler run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$CLUSTER_HOME/node.sh"
. "$CLUSTER_HOME/control-plane.sh"
. "$CLUSTER_HOME/runtime.sh"

STARTED=${EPOCHREALTIME/./}

say() {
  local elapsed=$(((${EPOCHREALTIME/./} - STARTED) / 100000))
  printf '%4d.%d s %s\n' $((elapsed / 10)) $((elapsed % 10)) "$*"
}

# await WHAT COMMAND...
await() {
  local what=$1
  shift
  if ! wait_for "$@"; then
    echo "timed out waiting: $what; logs are in $LOGS" >&2
    exit 1
  fi
  say "$what"
}

# start NAME COMMAND...: inside the node, with a log of that name.
start() {
  local name=$1
  shift
  (enter_cgroup nsenter --target "$(cat "$RUN/node.pid")" --mount --net --pid --uts -- "$@") < /dev/null > "$LOGS/$name.log" 2>&1 &
  echo $! > "$RUN/$name.pid"
}

if [ -f "$RUN/node.pid" ] && kill -0 "$(cat "$RUN/node.pid")" 2> /dev/null; then
  echo "already up" >&2
  exit 1
fi
for program in kube-apiserver kubelet coredns registry; do
  if [ ! -x "$BIN/$program" ]; then
    "$CLUSTER_HOME/setup.sh"
    break
  fi
done
"$CLUSTER_HOME/pki.sh"
cd "$LAB"
rm -rf "$DATA/kubelet" "$RUN/containerd" "$RUN"/*.sock*
mkdir -p "$ETC/cni" "$DATA/kubelet" "$DATA/log" "$DATA/containerd"

start_node
say "node namespaces ready"
start_control_plane
if [ "${1:-all}" = control ]; then
  await "default service account" kubectl get serviceaccount default
  exit 0
fi
start_registry
start_containerd
import_images
start_kubelet
start_kube_proxy
await "node registered" kubectl get node "$NODE"
await "node Ready" kubectl wait --for=condition=Ready "node/$NODE" --timeout=1s
kubectl apply -f "$ETC/coredns.yaml" > /dev/null
await "CoreDNS ready" kubectl -n kube-system rollout status deploy/coredns --timeout=1s
say "cluster up; export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH"
