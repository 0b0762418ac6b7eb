#!/usr/bin/env bash
# kind.sh [CLUSTER]: builds the image, and deploys it into the kind cluster of that name (pilotlight), which is made where there is none. kubectl talks to
# that cluster from then on. Run again after a change of the code: the replicas are replaced by ones of the new image. Needs docker, kind and kubectl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cluster=${1:-pilotlight}
image=pilotlight:0.1.0 # as in deploy/istiod/kustomization.yaml

if [ "$#" -gt 1 ] || [[ ! $cluster =~ ^[a-z0-9][a-z0-9.-]*$ ]]; then
  echo "usage: kind.sh [CLUSTER], the name of a kind cluster: pilotlight unless told; got '$*'" >&2
  exit 2
fi
for program in docker kind kubectl; do
  if ! command -v "$program" > /dev/null; then
    echo "kind.sh: there is no $program here; docker, kind and kubectl are needed" >&2
    exit 1
  fi
done

# An image without attestations is one manifest, which kind can load from whichever store docker has it in.
BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --tag "$image" .
if kind get clusters | grep -x "$cluster" > /dev/null; then
  kind export kubeconfig --name "$cluster"
else
  kind create cluster --name "$cluster"
fi
kind load docker-image "$image" --name "$cluster"

kubectl() {
  command kubectl --context "kind-$cluster" "$@"
}

running=$(kubectl -n istio-system get deployment istiod --ignore-not-found -o 'jsonpath={.spec.template.spec.containers[*].image}')
if [ -n "$running" ] && [ "$running" != "$image" ]; then
  echo "kind.sh: the cluster $cluster has an istiod, $running; README.md, \"To take over from istiod\", says how to replace it" >&2
  exit 1
fi
kubectl apply -k deploy
if [ -n "$running" ]; then
  kubectl -n istio-system rollout restart deployment/istiod # of the same tag, and another image
fi
kubectl -n istio-system rollout status deployment/istiod --timeout=5m
echo "kubectl talks to kind-$cluster"
