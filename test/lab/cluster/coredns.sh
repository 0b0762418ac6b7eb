#!/usr/bin/env bash
# coredns.sh: CoreDNS's image and the objects that run it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

IMAGE=registry.k8s.io/coredns/coredns:$COREDNS_VERSION
root=$LAB/coredns/root

if [ ! -f "$CACHE/images/coredns.tar" ]; then
  rm -rf "$root"
  mkdir -p "$root/etc/ssl" "$root/tmp"
  chmod 1777 "$root/tmp"
  cp "$BIN/coredns" "$root/coredns"
  python3 "$CLUSTER_HOME/images/make_image.py" "$IMAGE" "$root" "$CACHE/images/coredns.tar" '{"Entrypoint":["/coredns"]}'
fi
sed -e "s|@IMAGE@|$IMAGE|" -e "s|@DOMAIN@|$DOMAIN|" -e "s|@DNS_IP@|$DNS_IP|" "$CLUSTER_HOME/coredns.yaml" > "$ETC/coredns.yaml"
