#!/usr/bin/env bash
# up.sh DIR
#
# A throw-away, real Kubernetes control plane: etcd, kube-apiserver (RBAC, admission, service-account tokens), controller-manager, scheduler,
# and kwok, which makes scheduled pods Running and Ready with an IP. Istio's CRDs are applied when `build.sh istio` has run. Ready in about
# 5 s. Writes DIR/kubeconfig (an admin), DIR/log and a pid file for each process; down.sh DIR ends it. PORT and ETCD_PORT move it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

DIR=$(mkdir -p "${1:?a directory}" && cd "$1" && pwd)
PORT=${PORT:-16443}
ETCD_PORT=${ETCD_PORT:-12379}
ETCD=http://127.0.0.1:$ETCD_PORT
ETCD_PEER=http://127.0.0.1:$((ETCD_PORT + 1))
ISSUER=https://kubernetes.default.svc
POD_CIDR=10.1.0.0/16
SERVICE_CIDR=${SERVICE_CIDR:-10.96.0.0/16} # of each family one, with a comma: a cluster with both

for peer in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok; do
  if [ ! -x "$LAB_BIN/$peer" ]; then
    "$LAB_HOME/build.sh" kubernetes
    break
  fi
done
if compgen -G "$DIR/*.pid" > /dev/null; then
  echo "$DIR is up, or was not taken down: down.sh $DIR" >&2
  exit 1
fi

mkdir -p "$DIR/pki" "$DIR/log"
cd "$DIR"
export KUBECONFIG=$DIR/kubeconfig

# start NAME COMMAND...: in the background, with a log and a pid file of that name.
start() {
  local name=$1
  shift
  nohup "$@" > "log/$name.log" 2>&1 &
  echo $! > "$name.pid"
}

kubectl() {
  "$LAB_BIN/kubectl" "$@"
}

if [ ! -f pki/sa.key ]; then
  openssl genrsa -out pki/sa.key 2048 2> /dev/null
  openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2> /dev/null
fi
echo 'labtoken,admin,1,"system:masters"' > pki/tokens.csv
cat > kubeconfig <<YAML
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {server: "https://127.0.0.1:$PORT", insecure-skip-tls-verify: true}
users:
- name: admin
  user: {token: labtoken}
contexts:
- name: lab
  context: {cluster: lab, user: admin}
current-context: lab
YAML

etcd_flags=(
  --log-level warn
  --data-dir "$DIR/etcd"
  --listen-client-urls "$ETCD"
  --advertise-client-urls "$ETCD"
  --listen-peer-urls "$ETCD_PEER"
  --initial-advertise-peer-urls "$ETCD_PEER"
  --initial-cluster "default=$ETCD_PEER"
  --unsafe-no-fsync # nothing here outlives the machine
)
apiserver_flags=(
  --etcd-servers "$ETCD"
  --secure-port "$PORT"
  --bind-address 127.0.0.1
  --cert-dir "$DIR/pki"
  --service-account-key-file pki/sa.pub
  --service-account-signing-key-file pki/sa.key
  --service-account-issuer "$ISSUER"
  --api-audiences "istio-ca,$ISSUER" # istio-ca: what a sidecar's token is for
  --authorization-mode RBAC
  --token-auth-file pki/tokens.csv
  --service-cluster-ip-range "$SERVICE_CIDR"
  --allow-privileged
)
controller_manager_flags=(
  --kubeconfig kubeconfig
  --service-account-private-key-file pki/sa.key
  --use-service-account-credentials=false
  --leader-elect=false
  --root-ca-file pki/apiserver.crt
  --allocate-node-cidrs=true
  --cluster-cidr "$POD_CIDR"
  --bind-address 127.0.0.1
  --secure-port "$((PORT + 10))"
  --controllers='*'
)
scheduler_flags=(
  --kubeconfig kubeconfig
  --leader-elect=false
  --bind-address 127.0.0.1
  --secure-port "$((PORT + 11))"
)
kwok_flags=(
  --kubeconfig kubeconfig
  --manage-all-nodes=true
  --cidr "$POD_CIDR"
  --node-ip 10.99.0.1
  --node-lease-duration-seconds 40
  --config "$LAB_CACHE/kwok-stages.yaml"
)

start etcd "$LAB_BIN/etcd" "${etcd_flags[@]}"
start apiserver "$LAB_BIN/kube-apiserver" "${apiserver_flags[@]}"
wait_for kubectl get --raw /readyz || {
  tail -n 5 log/etcd.log log/apiserver.log >&2
  exit 1
}
start controller-manager "$LAB_BIN/kube-controller-manager" "${controller_manager_flags[@]}"
start scheduler "$LAB_BIN/kube-scheduler" "${scheduler_flags[@]}"
start kwok "$LAB_BIN/kwok" "${kwok_flags[@]}"

if [ -f "$LAB_CACHE/istio-crds.yaml" ]; then
  kubectl apply --server-side -f "$LAB_CACHE/istio-crds.yaml" > /dev/null
fi
kubectl apply -f - > /dev/null <<'YAML'
apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
---
apiVersion: v1
kind: Node
metadata:
  name: node-1
  labels:
    kubernetes.io/hostname: node-1
    topology.kubernetes.io/region: r1
    topology.kubernetes.io/zone: z1
spec:
  podCIDR: 10.1.0.0/20
status:
  allocatable: {cpu: "512", memory: 1Ti, pods: "20000"}
  capacity: {cpu: "512", memory: 1Ti, pods: "20000"}
YAML
echo "KUBECONFIG=$KUBECONFIG"
