# Sourced by up.sh: etcd, API server, controller-manager and scheduler, with certificates and roles as kubeadm sets them up.
# shellcheck shell=bash

start_control_plane() {
  local issuer=https://kubernetes.default.svc.$DOMAIN
  local etcd=(
    --name node
    --data-dir "$RUN/etcd/data"
    --listen-client-urls http://127.0.0.1:2379
    --advertise-client-urls http://127.0.0.1:2379
    --listen-peer-urls http://127.0.0.1:2380
    --initial-advertise-peer-urls http://127.0.0.1:2380
    --initial-cluster node=http://127.0.0.1:2380
    --quota-backend-bytes 2147483648
    --auto-compaction-retention 1h
  )
  local apiserver=(
    --advertise-address="$NODE_IP"
    --bind-address=0.0.0.0
    --secure-port=6443
    --etcd-servers=http://127.0.0.1:2379
    --authorization-mode=Node,RBAC
    --enable-admission-plugins=NodeRestriction
    --allow-privileged=true
    --service-cluster-ip-range="$SERVICE_CIDR"
    --client-ca-file="$PKI/ca.crt"
    --tls-cert-file="$PKI/apiserver.crt"
    --tls-private-key-file="$PKI/apiserver.key"
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt"
    --kubelet-client-key="$PKI/apiserver-kubelet-client.key"
    --kubelet-certificate-authority="$PKI/ca.crt"
    --kubelet-preferred-address-types=InternalIP
    --service-account-issuer="$issuer"
    --service-account-key-file="$PKI/sa.pub"
    --service-account-signing-key-file="$PKI/sa.key"
    --requestheader-client-ca-file="$PKI/front-proxy-ca.crt"
    --requestheader-allowed-names=front-proxy-client
    --requestheader-username-headers=X-Remote-User
    --requestheader-group-headers=X-Remote-Group
    --requestheader-extra-headers-prefix=X-Remote-Extra-
    --proxy-client-cert-file="$PKI/front-proxy-client.crt"
    --proxy-client-key-file="$PKI/front-proxy-client.key"
    --enable-aggregator-routing=true
  )
  local controller_manager=(
    --kubeconfig="$ETC/controller-manager.kubeconfig"
    --authentication-kubeconfig="$ETC/controller-manager.kubeconfig"
    --authorization-kubeconfig="$ETC/controller-manager.kubeconfig"
    --bind-address=127.0.0.1
    --leader-elect=false
    --use-service-account-credentials=true
    --service-account-private-key-file="$PKI/sa.key"
    --root-ca-file="$PKI/ca.crt"
    --client-ca-file="$PKI/ca.crt"
    --cluster-signing-cert-file="$PKI/ca.crt"
    --cluster-signing-key-file="$PKI/ca.key"
    --allocate-node-cidrs=false
    --service-cluster-ip-range="$SERVICE_CIDR"
    --requestheader-client-ca-file="$PKI/front-proxy-ca.crt"
  )
  local scheduler=(
    --kubeconfig="$ETC/scheduler.kubeconfig"
    --authentication-kubeconfig="$ETC/scheduler.kubeconfig"
    --authorization-kubeconfig="$ETC/scheduler.kubeconfig"
    --bind-address=127.0.0.1
    --leader-elect=false
  )
  start etcd "$BIN/etcd" "${etcd[@]}"
  start kube-apiserver "$BIN/kube-apiserver" "${apiserver[@]}"
  await "API server ready" kubectl get --raw /readyz
  start kube-controller-manager "$BIN/kube-controller-manager" "${controller_manager[@]}"
  start kube-scheduler "$BIN/kube-scheduler" "${scheduler[@]}"
}
