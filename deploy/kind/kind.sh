#!/usr/bin/env bash
# kind.sh [CLUSTER]: builds the image, and deploys it into the kind cluster of that name (pilotlight), which is made where there is none.
# Run again after a change of the code: the replicas are replaced by ones of the new image. Needs docker, kind and kubectl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cluster=${1:-pilotlight}
image=pilotlight:0.1.0 # as in deploy/istiod/kustomization.yaml
context=kind-$cluster

docker build --tag "$image" .
if ! kind get clusters | grep -qx "$cluster"; then
  kind create cluster --name "$cluster"
fi
kind load docker-image "$image" --name "$cluster"
kubectl --context "$context" apply -k deploy
kubectl --context "$context" -n istio-system rollout restart deployment/istiod
kubectl --context "$context" -n istio-system rollout status deployment/istiod --timeout=120s
