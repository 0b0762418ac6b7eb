#!/usr/bin/env bash
# npm run test:system: the tests that need real peers. Arguments are test files; without them all of test/system run, and the conformance.
#
#   api_server      a real API server (test/lab): Go builds it on first use, in about eight minutes
#   istiod          istiod, istioctl, pilot-agent and other programs of Istio's: Go builds them on first use, in about eight minutes
#   pod_networks    pods' own networks, with the nat rules of a mesh: root, iproute2, iptables
#   real_node       a real node (test/lab/cluster): root, Debian with cgroup v1; 8 to 15 minutes on first use
#   go_programs     kubectl's reader of YAML: Go builds it in a minute
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

# real_node: whether a node can be started; says what lacks.
real_node() {
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
  local program lacks=0
  for program in pilot-discovery pilot-agent istioctl xdsdump patchvalue; do
    [ -x "$LAB_BIN/$program" ] || lacks=1
  done
  [ "$lacks" = 1 ] || return 0
  if ! have go; then
    echo "no istiod in $LAB_BIN, and no Go to build it"
    return 1
  fi
  test/lab/build.sh istio >&2
}

# go_programs: whether Go can build what is asked for; says what lacks.
go_programs() {
  have go || {
    echo "no Go"
    return 1
  }
}

# needs FILE: what a test file needs. A file that is not named here runs, too.
needs() {
  case $(basename "$1" .test.ts) in
    deploy) echo real_node ;;
    yaml) echo go_programs ;;
    patch-value) echo istiod ;;
    iptables) echo pod_networks istiod ;;
    install | control-plane | kubernetes-*) echo api_server ;;
    traffic-mutual-tls | traffic-rotation | traffic-takeover) echo pod_networks api_server istiod ;;
    traffic-*) echo pod_networks ;;
    *) echo api_server istiod ;;
  esac
}

# had NEED: whether it is there; asked once.
declare -A why_not=()
had() {
  local lacking=""
  if [ ! -v "why_not[$1]" ]; then
    lacking=$("$1") || : "${lacking:=it cannot be had}"
    why_not[$1]=$lacking
  fi
  [ -z "${why_not[$1]}" ]
}

# run_if_had FILE: adds it to `files`, or leaves it out.
run_if_had() {
  local need
  for need in $(needs "$1"); do
    had "$need" && continue
    leave_out "$1" "${why_not[$need]}"
    return
  done
  files+=("$1")
}

files=()
conformance=0
if [ "$#" -gt 0 ]; then
  files=("$@")
else
  for file in test/system/*.test.ts; do
    run_if_had "$file"
  done
  if had api_server && had istiod; then
    conformance=1
  else
    leave_out conformance "no API server or no istiod"
  fi
fi

status=0
if [ "${#files[@]}" -gt 0 ]; then
  # They wait for other programs most of the time, but four at once on two cores take longer than three: the node is what is waited for.
  test/run.sh --test-concurrency="$(node -p 'os.availableParallelism() + 1')" "${files[@]}" || status=$?
fi
if [ "$conformance" = 1 ]; then
  node test/conformance/run.ts || status=$?
fi
if [ "$left_out" = 1 ] && [ "${CI:-}" = true ]; then
  exit 1
fi
exit "$status"
