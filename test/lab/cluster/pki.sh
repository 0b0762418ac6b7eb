#!/usr/bin/env bash
# pki.sh: certificates, service-account keys and kubeconfigs, kept in $LAB/pki; remove it to renew them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [ -f "$PKI/.done" ]; then
  exit 0
fi
rm -rf "$PKI"
mkdir -p "$PKI"
cd "$PKI"

DAYS=3650

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days $DAYS -sha256 -out "$1.crt"
}

# certificate NAME AUTHORITY SUBJECT USAGE [ALTERNATIVE_NAMES]
certificate() {
  local name=$1 authority=$2 subject=$3 usage=$4 names=${5:-}
  key "$name"
  openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=$usage"
    if [ -n "$names" ]; then
      echo "subjectAltName=$names"
    fi
  } > "$name.ext"
  openssl x509 -req -in "$name.csr" -CA "$authority.crt" -CAkey "$authority.key" -CAcreateserial \
    -days $DAYS -sha256 -extfile "$name.ext" -out "$name.crt" 2> /dev/null
  rm -f "$name.csr" "$name.ext"
}

# kubeconfig NAME FILE: for the client certificate of that name.
kubeconfig() {
  local name=$1 file=$2
  cat > "$file" <<YAML
apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 ca.crt)}
users:
- name: $name
  user: {client-certificate-data: $(base64 -w0 "$name.crt"), client-key-data: $(base64 -w0 "$name.key")}
contexts:
- name: lab
  context: {cluster: lab, user: $name}
YAML
  chmod 600 "$file"
}

api_names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$DOMAIN
api_names+=,DNS:localhost,DNS:$NODE,IP:$API_SERVICE_IP,IP:127.0.0.1,IP:$NODE_IP

authority ca
authority front-proxy-ca
certificate apiserver ca /CN=kube-apiserver serverAuth "$api_names"
certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
certificate kubelet-server ca "/O=system:nodes/CN=system:node:$NODE" serverAuth "DNS:$NODE,IP:$NODE_IP,IP:127.0.0.1"
certificate admin ca /O=system:masters/CN=kubernetes-admin clientAuth
certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" clientAuth
certificate controller-manager ca /CN=system:kube-controller-manager clientAuth
certificate scheduler ca /CN=system:kube-scheduler clientAuth
certificate kube-proxy ca /CN=system:kube-proxy clientAuth
openssl genrsa -out sa.key 2048 2> /dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2> /dev/null

kubeconfig admin "$KUBECONFIG"
for client in kubelet controller-manager scheduler kube-proxy; do
  kubeconfig "$client" "$ETC/$client.kubeconfig"
done
touch .done
