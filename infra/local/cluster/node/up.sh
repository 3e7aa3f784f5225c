#!/bin/bash
# Starts a one-node Kubernetes in namespaces of its own (mount, PID, network, IPC, UTS), held by one process: ending that
# one ends every program, container, mount, rule and link of the node together. Returns when the node is Ready.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/settings.sh"

bash "$here/down.sh" # What a node that was killed has left.
umask 022
mkdir -p "$STATE"/{log,run,conf,pki,fs/etc/cni/net.d}
trap 'bash "$here/down.sh"' ERR
trap 'bash "$here/down.sh"; exit 130' INT TERM
bash "$here/configure.sh" 2>"$STATE/log/configure.log"

for dir in $PRIVATE_DIRS; do # Places to mount on.
  [ -d "$dir" ] || { mkdir "$dir" && echo "$dir" >>"$MADE_DIRS"; }
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  for controller in cpu cpuset memory pids hugetlb; do # As on any machine with systemd; kubelet wants all there are.
    grep -qw $controller /sys/fs/cgroup/cgroup.subtree_control || ! grep -qw $controller /sys/fs/cgroup/cgroup.controllers ||
      echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
  mkdir -p "/sys/fs/cgroup/$NAME"
else # v1: one tree per controller; a cpuset without processors takes no process.
  for tree in /sys/fs/cgroup/*/; do
    mkdir -p "$tree$NAME"
    for file in cpuset.mems cpuset.cpus; do
      [ ! -f "$tree$NAME/$file" ] || cat "$tree$file" >"$tree$NAME/$file"
    done
  done
fi

setsid unshare --mount --propagation slave --pid --fork --mount-proc --net --ipc --uts \
  bash "$here/inside.sh" hold >"$STATE/log/holder.log" 2>&1 </dev/null &
parent=$!
until holder=$(tr -d ' ' <"/proc/$parent/task/$parent/children") && [ -n "$holder" ] &&
  [ "$(cat "/proc/$holder/comm")" = pause ]; do
  kill -0 $parent
  sleep 0.02
done
remember holder "$holder"

# One link and one route, so that Pods, cluster IPs and node ports answer from this machine.
ip link add "$NAME" type veth peer name eth0 netns "$holder"
ip address add "$HOST_IP/24" dev "$NAME"
ip link set "$NAME" up
ip route add "$NET.0.0/16" via "$NODE_IP" dev "$NAME" onlink
nsenter --target "$holder" --net \
  sh -c "ip address add $NODE_IP/24 dev eth0; ip link set eth0 up; ip route add default via $HOST_IP"

timeout 120 nsenter --target "$holder" --mount --pid --net --ipc --uts \
  bash "$here/inside.sh" start >"$STATE/log/start.log" 2>&1
