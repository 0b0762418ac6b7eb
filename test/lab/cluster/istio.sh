#!/usr/bin/env bash
# istio.sh: the real Istio in the running cluster, as a peer to compare with: istiod, injected sidecars on upstream Envoy, two versions of a
# server, STRICT mTLS. It ends with a look at the traffic: 90/10, a fault, an authorization policy.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

"$CLUSTER_HOME/istio-images.sh"
ISTIO_SOURCE=$("$CLUSTER_HOME/istio-source.sh")
cd "$CLUSTER_HOME/istio"

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

wait_for status_is 418 -H 'x-fault: yes' http://server/
status_is 403 http://server/other
status_is 200 http://server/healthz
echo "fault 418, denied path 403, /healthz 200; of 100 requests:"
# shellcheck disable=SC2016 # read in the pod
kubectl -n mesh exec deploy/client -c curl -- sh -c 'for i in $(seq 100); do curl -s http://server/; done' |
  grep -o 'server-v[12]' | sort | uniq -c
request http://server/ | grep -o 'URI=[^"]*'
