# Sourced by the cluster's scripts. LAB is where the cluster's programs, images, certificates and state are kept.
# shellcheck disable=SC2034 # the names are used where this is sourced

. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
CLUSTER_HOME=$LAB_HOME/cluster
LAB=${LAB:-$LAB_CACHE/cluster}
BIN=$LAB/bin
PKI=$LAB/pki
ETC=$LAB/etc
RUN=$LAB/run
DATA=$LAB/data
LOGS=$LAB/logs
CACHE=$LAB/cache

KUBERNETES_VERSION=v1.34.4 # as in ../peers/kubernetes/go.mod
COREDNS_VERSION=v1.12.4    # as in ../peers/coredns/go.mod

NODE=meshlab
HOST_IP=10.231.0.1
NODE_IP=10.231.0.2
POD_CIDR=10.244.0.0/24
POD_GATEWAY=10.244.0.1
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_IP=10.96.0.10
DOMAIN=cluster.local
CGROUPS=(cpu cpuacct cpuset memory devices freezer blkio pids systemd unified)
PAUSE=$LAB/images/pause-root/pause # the node's first process, and the first of every pod

export LAB STORAGE_DRIVER=overlay
export CONTAINERD_ADDRESS=$RUN/containerd.sock KUBECONFIG=$LAB/admin.kubeconfig PATH=$BIN:$PATH
mkdir -p "$BIN" "$ETC" "$RUN" "$DATA" "$LOGS" "$CACHE/images" "$CACHE/dl"

# node COMMAND...: runs it inside the node (its pid, mount, network and host-name namespaces).
node() {
  nsenter --target "$(cat "$RUN/node.pid")" --mount --net --pid --uts -- "$@"
}

images() {
  buildah --root "$CACHE/buildah" --runroot "$RUN/buildah" "$@"
}
