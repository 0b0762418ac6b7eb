# Sourced by up.sh: what runs pods: the image registry, containerd with its pod network, the kubelet and kube-proxy.
# shellcheck shell=bash

# Every image name is looked up in the local registry and nowhere else: docker.io/library/x:1 is $NODE_IP:5000/library/x:1.
start_registry() {
  mkdir -p "$ETC/certs.d/_default" "$CACHE/registry"
  cat > "$ETC/certs.d/_default/hosts.toml" <<'TOML'
server = "http://127.0.0.1:5000"
[host."http://127.0.0.1:5000"]
  capabilities = ["pull", "resolve"]
TOML
  cat > "$ETC/registry.yaml" <<YAML
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $CACHE/registry}
  delete: {enabled: true}
http: {addr: "0.0.0.0:5000"}
YAML
  start registry env OTEL_TRACES_EXPORTER=none "$BIN/registry" serve "$ETC/registry.yaml"
}

write_containerd_config() {
  cat > "$ETC/cni/10-meshlab.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "meshlab",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": false,
      "hairpinMode": true,
      "forceAddress": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "/var/lib/cni/ipam",
        "ranges": [[{"subnet": "$POD_CIDR", "gateway": "$POD_GATEWAY"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
  cat > "$ETC/containerd.toml" <<TOML
version = 2
root = "$DATA/containerd"
state = "$RUN/containerd"
oom_score = 0
[grpc]
  address = "$CONTAINERD_ADDRESS"
[ttrpc]
  address = "$CONTAINERD_ADDRESS.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "$DATA/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$ETC/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "runc"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$ETC/certs.d"
TOML
}

containers() {
  ctr -n k8s.io containers "$@"
}

# Whether containerd has pods run, too: the kubelet ends where it asks too early.
containerd_ready() {
  ctr version && grep -q "Start streaming server" "$LOGS/containerd.log"
}

start_containerd() {
  local left
  write_containerd_config
  start containerd containerd -c "$ETC/containerd.toml"
  await "containerd ready" containerd_ready
  left=$(containers ls -q)
  if [ -z "$left" ]; then
    return
  fi
  # An earlier run was ended hard, and its containers are not there any more.
  xargs -r ctr -n k8s.io containers rm <<< "$left" > /dev/null 2>&1 || true
  node pkill -x containerd
  wait_for test ! -e "/proc/$(cat "$RUN/containerd.pid")"
  rm -rf "$DATA/containerd/io.containerd.grpc.v1.cri"
  start containerd containerd -c "$ETC/containerd.toml"
  await "containerd ready again" containerd_ready
}

# Imports the archives that have changed since they were imported.
import_images() {
  local archive stamp mark
  for archive in "$CACHE/pause.tar" "$CACHE"/images/*.tar; do
    stamp=$(stat -c '%Y-%s' "$archive")
    mark=$DATA/containerd/.imported-$(basename "$archive")
    if [ "$(cat "$mark" 2> /dev/null)" != "$stamp" ]; then
      ctr -n k8s.io images import "$archive" >> "$LOGS/import.log" 2>&1
      echo "$stamp" > "$mark"
      say "imported $(basename "$archive")"
    fi
  done
}

start_kubelet() {
  echo "nameserver 192.0.2.254" > "$ETC/resolv.conf" # nobody: pods ask CoreDNS
  cat > "$ETC/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
cgroupDriver: cgroupfs
cgroupRoot: /meshlab
failCgroupV1: false
failSwapOn: false
clusterDomain: $DOMAIN
clusterDNS: [$DNS_IP]
resolvConf: $ETC/resolv.conf
containerRuntimeEndpoint: unix://$CONTAINERD_ADDRESS
oomScoreAdj: 0
podLogsDir: /var/log/pods
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
syncFrequency: 10s
volumePluginDir: $DATA/kubelet/plugins-exec
YAML
  local flags=(
    --config="$ETC/kubelet.yaml"
    --kubeconfig="$ETC/kubelet.kubeconfig"
    --hostname-override="$NODE"
    --node-ip="$NODE_IP"
    --root-dir="$DATA/kubelet"
  )
  start kubelet "$BIN/kubelet" "${flags[@]}"
}

start_kube_proxy() {
  cat > "$ETC/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $ETC/kube-proxy.kubeconfig}
mode: ${PROXY_MODE:-iptables}
clusterCIDR: $POD_CIDR
hostnameOverride: $NODE
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s, syncPeriod: 30s}
YAML
  kubectl create clusterrolebinding lab-kube-proxy --clusterrole=system:node-proxier --user=system:kube-proxy > /dev/null
  start kube-proxy "$BIN/kube-proxy" --config="$ETC/kube-proxy.yaml"
}
