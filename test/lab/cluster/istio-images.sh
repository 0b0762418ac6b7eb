#!/usr/bin/env bash
# istio-images.sh: the lab's own docker.io/istio/proxyv2:lab and pilot:lab, Istio's programs beside upstream Envoy, into containerd.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [ ! -x "$LAB_BIN/pilot-discovery" ] || [ ! -x "$LAB_BIN/pilot-agent" ]; then
  "$LAB_HOME/build.sh" istio
fi
ISTIO_SOURCE=$("$CLUSTER_HOME/istio-source.sh")

# image NAME DOCKERFILE_LINES: docker.io/istio/NAME:lab, from the context, into containerd.
image() {
  local name=docker.io/istio/$1:lab archive=$CACHE/images/$1.tar
  printf 'FROM docker.io/lab/proxy:1\n%s\nUSER 1337:1337\n' "$2" > "$context/Dockerfile"
  images bud -q --isolation chroot --pull-never -t "$name" "$context"
  rm -f "$archive"
  images push -q "$name" "docker-archive:$archive:$name"
  ctr -n k8s.io images import "$archive"
  stat -c '%Y-%s' "$archive" > "$DATA/containerd/.imported-$1.tar"
}

if [ ! -f "$CACHE/images/proxyv2.tar" ] || [ ! -f "$CACHE/images/pilot.tar" ]; then
  context=$(mktemp -d -p "$CACHE")
  cp "$LAB_BIN/pilot-agent" "$LAB_BIN/pilot-discovery" "$ISTIO_SOURCE/tools/packaging/common/envoy_bootstrap.json" "$context/"
  image proxyv2 'COPY envoy_bootstrap.json /var/lib/istio/envoy/envoy_bootstrap_tmpl.json
COPY pilot-agent /usr/local/bin/pilot-agent
ENTRYPOINT ["/usr/local/bin/pilot-agent"]'
  image pilot 'COPY pilot-discovery /usr/local/bin/pilot-discovery
ENTRYPOINT ["/usr/local/bin/pilot-discovery"]'
  rm -rf "$context"
fi
