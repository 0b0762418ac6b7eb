#!/usr/bin/env bash
# cluster.sh COMMAND: a REAL single-node Kubernetes on this machine (kubelet, containerd, CNI, kube-proxy, CoreDNS, an image registry), to
# deploy into as a user would into kind. Needs root, Debian and cgroup v1. README.md beside this file says more.
#
#   setup           once a machine: packages, programs, base images
#   up [control]    a fresh cluster; control: only its control plane
#   down [--wipe]   end it and all traces; --wipe forgets the imported images too
#   env             prints what a shell must export to talk to it
#   node COMMAND…   runs a command inside the node
#   check           20 things it can do
#   istio           the real istiod in it, with injected sidecars
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

command=${1:-help}
shift || true
case $command in
  setup | up | down | check | istio) exec "$here/$command.sh" "$@" ;;
  node)
    . "$here/env.sh"
    node "$@"
    ;;
  env)
    . "$here/env.sh"
    echo "export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH"
    ;;
  help | -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
