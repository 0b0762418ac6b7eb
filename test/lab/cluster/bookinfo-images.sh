#!/usr/bin/env bash
# bookinfo-images.sh PROGRAM: what pods of Istio's bookinfo and their sidecars are made from, under the very names that Istio's YAML and deploy/ have, into
# containerd: for each of bookinfo's services the one program, for sidecars the lab's own proxies.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
program=$(realpath "$1")
source=$("$CLUSTER_HOME/istio-source.sh")
settings=$CLUSTER_HOME/../../../deploy/istiod/injection.yaml

"$CLUSTER_HOME/istio-images.sh"
archive=$CACHE/images/bookinfo-$(sha256sum "$program" | cut -c 1-12).tar
if [ ! -f "$archive" ]; then
  rm -f "$CACHE"/images/bookinfo-*.tar
  context=$(mktemp -d -p "$CACHE")
  cp "$program" "$context/app.mjs"
  printf 'FROM localhost/app:1\nCOPY app.mjs .\nCMD ["node", "app.mjs"]\n' > "$context/Dockerfile"
  images bud -q --isolation chroot --pull-never -t docker.io/lab/bookinfo:1 "$context" > /dev/null
  images push -q docker.io/lab/bookinfo:1 "docker-archive:$archive:docker.io/lab/bookinfo:1"
  rm -rf "$context"
fi
ctr -n k8s.io images import "$archive" > /dev/null

# name IMAGE NAMES...
name() {
  ctr -n k8s.io images tag --force "$@" > /dev/null
}

mapfile -t services < <(sed -n 's/^ *image: //p' "$source/samples/bookinfo/platform/kube/bookinfo.yaml")
name docker.io/lab/bookinfo:1 "${services[@]}"
name docker.io/lab/proxy:1 "$(grep -o '"envoyImage": "[^"]*' "$settings" | cut -d '"' -f 4)"
name docker.io/istio/proxyv2:lab "docker.io/istio/proxyv2:$(grep -o '"tag": "[^"]*' "$settings" | cut -d '"' -f 4)"
