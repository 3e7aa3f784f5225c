# What the scripts of the node share. own-node.ts gives the KUBE_ variables:
#   KUBE_STATE  folder of this cluster          KUBE_BIN      folder of the programs that build.sh made
#   KUBE_NAME   of its link and its cgroup      KUBE_CNI_BIN  folder of the CNI plugins
#   KUBE_NET    first half of a /16, as 10.213  KUBE_SNAPSHOTTER  of containerd
#   KUBE_PORT   of the API server on 127.0.0.1
STATE=$KUBE_STATE NAME=${KUBE_NAME:-} NODE=gyre-node
BIN=${KUBE_BIN:-} NET=${KUBE_NET:-} PORT=${KUBE_PORT:-} CNI_BIN=${KUBE_CNI_BIN:-} SNAPSHOTTER=${KUBE_SNAPSHOTTER:-overlayfs}
HOST_IP=$NET.0.1 NODE_IP=$NET.0.2 POD_CIDR=$NET.64.0/24 SERVICE_CIDR=$NET.128.0/20 API_SERVICE_IP=$NET.128.1
# Where containerd, CNI and kubelet write: the node has its own, under $STATE/fs.
PRIVATE_DIRS="/var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers /run/containerd /run/netns /etc/cni"
MADE_DIRS=/run/gyre-made-dirs # Those of them that were not there before, of all nodes of this machine.
# What kubelet sets for the whole machine; here it writes to copies.
GLOBAL_SYSCTLS="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
PATH=$PATH:/usr/sbin:/sbin

# A process is its PID and its start, as in core/compute/process-identity.ts: the system gives numbers out again.
started() { # PID
  echo "$(cut -c1-8 /proc/sys/kernel/random/boot_id)-$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20)"
}
remember() { # NAME PID
  echo "$2 $(started "$2")" >"$STATE/run/$1.pid"
}
alive() { # NAME: whether that very process is still there; sets $pid
  local when
  read -r pid when 2>/dev/null <"$STATE/run/$1.pid" && [ "$(started "$pid")" = "$when" ] &&
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -c1)" != Z ]
}
