#!/usr/bin/env bash
# istiod.sh DIR
#
# The real istiod beside the cluster that up.sh started in DIR: xDS in plaintext on 25010, xDS and CA over TLS on 25012, debug and readiness
# on 25008, metrics on 25014 (PORT_BASE moves all of them: xDS is PORT_BASE + 10). DIR/mesh.yaml is its MeshConfig, reloaded when it changes;
# ISTIOD_ENV="NAME=VALUE …" is added to its environment.
#
# By default istiod refuses most of 200 proxies that connect at once; here it does not, unless ISTIOD_RPS is set to nothing.
# Stock Envoy rejects what istiod sends by default; ISTIOD_ENV="PILOT_ENABLE_METADATA_EXCHANGE=false PILOT_ENABLE_ALPN_FILTER=false" cures that.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cd "${1:?a directory}"
PORT_BASE=${PORT_BASE:-25000}
HTTP=127.0.0.1:$((PORT_BASE + 8))

if [ ! -x "$LAB_BIN/pilot-discovery" ]; then
  "$LAB_HOME/build.sh" istio
fi
if [ ! -f mesh.yaml ]; then
  cat > mesh.yaml <<'YAML'
accessLogFile: /dev/stdout
rootNamespace: istio-system
trustDomain: cluster.local
YAML
fi

environment=(
  POD_NAME=istiod-lab
  POD_NAMESPACE=istio-system
  CLUSTER_ID=Kubernetes
  ISTIOD_CUSTOM_HOST=localhost
)
# shellcheck disable=SC2206 # a list of NAME=VALUE words
environment+=(${ISTIOD_RPS=PILOT_MAX_REQUESTS_PER_SECOND=100000} ${ISTIOD_ENV:-})
flags=(
  --kubeconfig kubeconfig
  --meshConfig mesh.yaml
  --httpAddr "$HTTP"
  --grpcAddr "127.0.0.1:$((PORT_BASE + 10))"
  --secureGRPCAddr "127.0.0.1:$((PORT_BASE + 12))"
  --httpsAddr ""
  --monitoringAddr "127.0.0.1:$((PORT_BASE + 14))"
  --ctrlz_port 0
)
env "${environment[@]}" nohup "$LAB_BIN/pilot-discovery" discovery "${flags[@]}" > log/istiod.log 2>&1 &
echo $! > istiod.pid
wait_for curl -sf -o /dev/null "http://$HTTP/ready" || {
  tail -n 5 log/istiod.log >&2
  exit 1
}
