#!/usr/bin/env bash
# setup.sh: everything that up.sh needs. Each step keeps what it made, so that it can be run again at no cost.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$CLUSTER_HOME"

PACKAGES=(
  containerd runc buildah containernetworking-plugins debootstrap busybox-static conntrack iptables iproute2
  gcc libc6-dev jq procps curl openssl python3
)

step() {
  local start=$SECONDS
  "$@"
  echo "== $*: $((SECONDS - start)) s" >&2
}

install_packages() {
  local package missing=()
  for package in "${PACKAGES[@]}"; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
  done
  if ((${#missing[@]} > 0)); then
    apt-get update > "$LOGS/apt.log" 2>&1
    apt-get install -y --no-install-recommends "${missing[@]}" >> "$LOGS/apt.log" 2>&1
  fi
}

# go_program MODULE NAME PACKAGE: from ../peers, unless it is there, or was built for the small lab.
go_program() {
  local folder=$LAB_HOME/peers/$1 name=$2 package=$3
  if [ -x "$BIN/$name" ]; then
    return
  fi
  if [ -x "$LAB_BIN/$name" ]; then
    ln -f "$LAB_BIN/$name" "$BIN/$name"
    return
  fi
  local flags="-s -w"
  flags+=" -X k8s.io/component-base/version.gitVersion=$KUBERNETES_VERSION"
  flags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
  flags+=" -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES_VERSION"
  (cd "$folder" && nice -n 10 go build -ldflags "$flags" -o "$BIN/$name" "$package")
}

build_programs() {
  local name
  go_program etcd etcd go.etcd.io/etcd/server/v3
  for name in kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl; do
    go_program kubernetes "$name" "k8s.io/kubernetes/cmd/$name"
  done
  go_program coredns coredns .
  go_program registry registry github.com/distribution/distribution/v3/cmd/registry
}

step install_packages
step "$LAB_HOME/build.sh" envoy > "$LOGS/envoy.log" 2>&1
step ./pki.sh
build_programs > "$LOGS/build-programs.log" 2>&1 & # bound by the processor; the images, beside it, by network and disk
programs=$!
./base-images.sh > "$LOGS/images.log" 2>&1 || {
  tail -n 20 "$LOGS/images.log" >&2
  exit 1
}
step wait "$programs"
step ./coredns.sh
ls -l "$BIN" "$CACHE/images"
