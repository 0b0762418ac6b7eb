#!/usr/bin/env bash
# istio.sh: the real Istio in the running cluster, as a peer to compare with: istiod, injected sidecars on upstream Envoy, two versions of a
# server, STRICT mTLS. It ends with a look at the traffic: 90/10, a fault, an authorization policy.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [ ! -x "$LAB_BIN/pilot-discovery" ] || [ ! -x "$LAB_BIN/pilot-agent" ]; then
  "$LAB_HOME/build.sh" istio
fi
ISTIO_SOURCE=$(cd "$LAB_HOME/peers/istio" && go list -m -f '{{.Dir}}' istio.io/istio)
cd "$CLUSTER_HOME/istio"

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

"$LAB_BIN/istioctl" manifest generate -f iop.yaml --manifests="$ISTIO_SOURCE/manifests" > "$ETC/istio.yaml"
kubectl create namespace istio-system --dry-run=client -o yaml | kubectl apply -f -
kubectl apply --server-side -f "$ETC/istio.yaml" > /dev/null
kubectl -n istio-system rollout status deploy/istiod --timeout=90s
kubectl apply -f app.yaml > /dev/null
kubectl -n mesh wait --for=condition=Available deploy --all --timeout=60s
kubectl apply -f traffic.yaml > /dev/null

request() {
  kubectl -n mesh exec deploy/client -c curl -- curl -s "$@"
}

status_is() {
  local expected=$1
  shift
  [ "$(request -o /dev/null -w '%{http_code}' "$@")" = "$expected" ]
}

wait_for 30 status_is 418 -H 'x-fault: yes' http://server/
status_is 403 http://server/other
status_is 200 http://server/healthz
echo "fault 418, denied path 403, /healthz 200; of 100 requests:"
# shellcheck disable=SC2016 # read in the pod
kubectl -n mesh exec deploy/client -c curl -- sh -c 'for i in $(seq 100); do curl -s http://server/; done' |
  grep -o 'server-v[12]' | sort | uniq -c
request http://server/ | grep -o 'URI=[^"]*'
