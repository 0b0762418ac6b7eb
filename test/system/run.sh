#!/usr/bin/env bash
# npm run test:system: the tests that need real peers. Arguments are test files; without them all of test/system run, one after the other.
#
#   kubernetes-*, identity, control-plane
#                                      a real API server (test/lab): Go builds it on first use, in about eight minutes
#   injection                          istioctl kube-inject, built with istiod, and a real API server
#   istioctl                           istioctl, istiod and a real API server
#   yaml                               kubectl's reader of YAML: Go builds it in a minute
#   traffic-*                          pods' own networks, with Istio's nat rules: root, iproute2, iptables; mutual-tls also an API server and
#                                      Istio's agent, which Go builds with istiod
#   patch-value                        istiod's reader of EnvoyFilters' values: Go builds it with istiod
#   conformance                        the real istiod beside ours (npm run conformance): Go builds it on first use, in about eight minutes
#   deploy                             a real node (test/lab/cluster): root, Debian with cgroup v1; 8 to 15 minutes on first use
#
# What is built is kept (LAB_CACHE). Where a peer cannot be had its tests are left out, and that is said; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/lab/env.sh

left_out=0

# leave_out WHAT WHY
leave_out() {
  echo "left out: $1 ($2)" >&2
  left_out=1
}

have() {
  command -v "$1" > /dev/null
}

# api_server: whether there is one, or can be built; says what lacks.
api_server() {
  local program
  for program in etcd kube-apiserver kube-controller-manager kube-scheduler kwok kubectl; do
    if [ ! -x "$LAB_BIN/$program" ]; then
      if ! have go; then
        echo "no $program in $LAB_BIN, and no Go to build it"
        return 1
      fi
      test/lab/build.sh kubernetes >&2
      break
    fi
  done
}

# node: whether a node can be started; says what lacks.
node_of_its_own() {
  if [ "$(id -u)" != 0 ]; then
    echo "not root"
  elif [ ! -d /sys/fs/cgroup/memory ]; then
    echo "no cgroup v1"
  elif ! have apt-get; then
    echo "no Debian"
  elif ! have go; then
    echo "no Go"
  else
    return 0
  fi
  return 1
}

# pod_networks: whether pods' networks can be made; says what lacks.
pod_networks() {
  local program
  if [ "$(id -u)" != 0 ]; then
    echo "not root"
    return 1
  fi
  for program in ip iptables setpriv; do
    have "$program" && continue
    if ! have apt-get; then
      echo "no $program, and no Debian to install it from"
      return 1
    fi
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iproute2 iptables util-linux >&2
  done
}

# istiod: whether the real one can be had; says what lacks.
istiod() {
  if [ -x "$LAB_BIN/pilot-discovery" ] && [ -x "$LAB_BIN/xdsdump" ] && [ -x "$LAB_BIN/patchvalue" ] && [ -x "$LAB_BIN/istioctl" ]; then
    return 0
  fi
  if ! have go; then
    echo "no istiod in $LAB_BIN, and no Go to build it"
    return 1
  fi
  test/lab/build.sh istio >&2
}

conformance=0
if [ "$#" -gt 0 ]; then
  files=("$@")
else
  files=()
  if lacking=$(pod_networks); then
    files+=(test/system/traffic-*.test.ts)
  else
    leave_out traffic "$lacking"
  fi
  if have go; then
    files+=(test/system/yaml.test.ts)
  else
    leave_out yaml "no Go"
  fi
  if lacking=$(pod_networks) && lacking=$(istiod); then
    files+=(test/system/iptables.test.ts)
  else
    leave_out iptables "$lacking"
  fi
  if lacking=$(istiod); then
    files+=(test/system/patch-value.test.ts)
  else
    leave_out patch-value "$lacking"
  fi
  if lacking=$(api_server); then
    files+=(test/system/kubernetes-*.test.ts test/system/identity.test.ts test/system/control-plane.test.ts)
  else
    leave_out "kubernetes-*, identity, control-plane" "$lacking"
  fi
  if lacking=$(api_server) && lacking=$(istiod); then
    files+=(test/system/injection.test.ts test/system/istioctl.test.ts)
    conformance=1
  else
    leave_out "injection, istioctl, conformance" "$lacking"
  fi
  if lacking=$(node_of_its_own); then
    files+=(test/system/deploy.test.ts)
  else
    leave_out deploy "$lacking"
  fi
fi

status=0
if [ "${#files[@]}" -gt 0 ]; then
  test/run.sh --test-concurrency=1 "${files[@]}" || status=$?
fi
if [ "$conformance" = 1 ]; then
  node test/conformance/run.ts || status=$?
fi
if [ "$left_out" = 1 ] && [ "${CI:-}" = true ]; then
  exit 1
fi
exit "$status"
