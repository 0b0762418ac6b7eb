# Sourced by up.sh: the node's cgroups, namespaces and link to the host.
# shellcheck shell=bash

# What the kubelet changes for the whole machine; down.sh puts it back.
KUBELET_SYSCTLS=(
  vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes
)

# /meshlab holds the pods (it is the kubelet's root), /meshlab/system the node's own processes.
make_cgroups() {
  local controller group
  for controller in "${CGROUPS[@]}"; do
    group=/sys/fs/cgroup/$controller/meshlab
    if [ ! -d "/sys/fs/cgroup/$controller" ]; then
      continue
    fi
    mkdir -p "$group"
    if [ "$controller" = cpuset ]; then
      cat /sys/fs/cgroup/cpuset/cpuset.cpus > "$group/cpuset.cpus"
      cat /sys/fs/cgroup/cpuset/cpuset.mems > "$group/cpuset.mems"
      echo 1 > "$group/cgroup.clone_children"
    fi
    mkdir -p "$group/system"
  done
}

# enter_cgroup COMMAND...: becomes the command, among the node's own processes.
enter_cgroup() {
  local controller
  for controller in cpu cpuacct memory pids; do
    echo "$BASHPID" > "/sys/fs/cgroup/$controller/meshlab/system/cgroup.procs"
  done
  exec "$@"
}

# The pause program is pid 1 inside; ending the outer unshare ends all (--kill-child).
make_namespaces() {
  local outer
  (
    enter_cgroup setsid unshare --pid --fork --kill-child --mount --mount-proc --net --uts --propagation private "$PAUSE"
  ) < /dev/null > "$LOGS/node.log" 2>&1 &
  outer=$!
  echo "$outer" > "$RUN/unshare.pid"
  wait_for first_process "$outer" || {
    echo "the node's first process did not start:" >&2
    cat "$LOGS/node.log" >&2
    exit 1
  }
  pgrep -P "$outer" > "$RUN/node.pid"
}

# first_process OUTER: whether the process that unshare made has become the pause program.
first_process() {
  local inner
  inner=$(pgrep -P "$1") && [ "$(readlink "/proc/$inner/exe")" = "$PAUSE" ]
}

# Runs inside the node: mounts of its own, so that nothing of pods shows on the host.
mount_inside() {
  cat <<SCRIPT
set -e
hostname $NODE
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni
mount --bind $DATA/log /var/log
mkdir -p $RUN/etcd $RUN/cg
mount -t tmpfs -o mode=700 tmpfs $RUN/etcd
# /sys must be this network namespace's, with the host's cgroups in it.
mount --rbind /sys/fs/cgroup $RUN/cg
umount -l -R /sys
mount -t sysfs sysfs /sys
mount --rbind $RUN/cg /sys/fs/cgroup
umount -l $RUN/cg
mount --make-rshared /
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
SCRIPT
}

connect_to_host() {
  ip link add meshlab0 type veth peer name eth0 netns "$(cat "$RUN/node.pid")"
  ip addr add "$HOST_IP/30" dev meshlab0
  ip link set meshlab0 up
  node ip addr add "$NODE_IP/30" dev eth0
  node ip link set eth0 up
  node ip route add default via "$HOST_IP"
  ip route add "$POD_CIDR" via "$NODE_IP"
  ip route add "$SERVICE_CIDR" via "$NODE_IP"
}

start_node() {
  if [ ! -f "$RUN/sysctl.saved" ]; then
    sysctl "${KUBELET_SYSCTLS[@]}" > "$RUN/sysctl.saved"
  fi
  make_cgroups
  make_namespaces
  node bash -c "$(mount_inside)" 2>> "$LOGS/node.log" || {
    echo "node setup failed:" >&2
    cat "$LOGS/node.log" >&2
    exit 1
  }
  connect_to_host
}
