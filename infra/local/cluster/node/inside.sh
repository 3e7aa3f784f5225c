#!/bin/bash
# What up.sh runs inside the node's namespaces: `hold` first, as process 1 and before anything else; `start` once the link
# is there.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/settings.sh"

hold() {
  # A /sys that shows this network namespace hides the cgroups: bind them back.
  mkdir -p "$STATE/cgroups"
  mount --rbind /sys/fs/cgroup "$STATE/cgroups"
  umount -R -l /sys
  mount -t sysfs sysfs /sys
  mount --rbind "$STATE/cgroups" /sys/fs/cgroup
  umount -R -l "$STATE/cgroups"
  for dir in $PRIVATE_DIRS; do
    mkdir -p "$STATE/fs$dir"
    mount --bind "$STATE/fs$dir" "$dir"
  done
  for name in $GLOBAL_SYSCTLS; do
    mkdir -p "$STATE/fs/sysctls/$(dirname "$name")"
    cat "/proc/sys/$name" >"$STATE/fs/sysctls/$name"
    mount --bind "$STATE/fs/sysctls/$name" "/proc/sys/$name"
  done
  mount --make-rshared /
  hostname "$NODE"
  ip link set lo up
  exec "$BIN/pause"
}

# NAME COMMAND…: runs it, and again 0.3 s after it ended, but not while run/NAME.hold is there (restart.sh).
program() {
  local name=$1 run=$STATE/run/$1 log=$STATE/log/$1.log
  shift
  cat >"$run.sh" <<-END
		cd /
		while :; do
		  $(printf '%q ' "$@") >>$(printf %q "$log") 2>&1 </dev/null &
		  wait \$!
		  echo "gyre: ended with \$?" >>$(printf %q "$log")
		  sleep 0.3
		  while [ -e $(printf %q "$run.hold") ]; do sleep 0.1; done
		done
	END
  : >"$log"
  setsid bash "$run.sh" >/dev/null 2>&1 </dev/null &
}
kubectl() { "$BIN/kubectl" --kubeconfig "$STATE/conf/admin.inner" "$@"; }
answers() { until kubectl get --raw "$1" >/dev/null 2>&1; do sleep 0.1; done; }

start() {
  local keys=$STATE/pki conf=$STATE/conf
  for name in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do echo 1 >/proc/sys/$name || true; done
  # The database is thrown away with the cluster: no need to wait for the disk.
  program etcd "$BIN/etcd" --name node --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  program containerd containerd --config "$conf/containerd.toml"
  program kube-apiserver "$BIN/kube-apiserver" \
    --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$NODE_IP" --service-cluster-ip-range="$SERVICE_CIDR" --profiling=false \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --client-ca-file="$keys/ca.crt" --tls-cert-file="$keys/apiserver.crt" --tls-private-key-file="$keys/apiserver.key" \
    --kubelet-certificate-authority="$keys/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate="$keys/apiserver-client.crt" --kubelet-client-key="$keys/apiserver-client.key" \
    --requestheader-client-ca-file="$keys/front.crt" --requestheader-allowed-names=front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$keys/front-proxy.crt" --proxy-client-key-file="$keys/front-proxy.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$keys/sa.pub" --service-account-signing-key-file="$keys/sa.key"
  answers /livez/etcd
  program kubelet "$BIN/kubelet" --config "$conf/kubelet.yaml" --kubeconfig "$conf/kubelet" \
    --hostname-override "$NODE" --node-ip "$NODE_IP"
  program kube-proxy "$BIN/kube-proxy" --config "$conf/kube-proxy.yaml" --hostname-override "$NODE"
  local containerd="ctr --address /run/containerd/containerd.sock --namespace k8s.io"
  until $containerd version >/dev/null 2>&1; do sleep 0.1; done
  $containerd images import --snapshotter "$SNAPSHOTTER" "$STATE/run/pause.tar"
  answers /readyz # The controller manager ends at once before RBAC's own roles are there.
  program kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig "$conf/controller-manager" \
    --authentication-kubeconfig "$conf/controller-manager" --authorization-kubeconfig "$conf/controller-manager" \
    --bind-address 127.0.0.1 --leader-elect=false --profiling=false --use-service-account-credentials=true \
    --kube-api-qps=500 --kube-api-burst=1000 --root-ca-file "$keys/ca.crt" \
    --service-account-private-key-file "$keys/sa.key" \
    --cluster-signing-cert-file "$keys/ca.crt" --cluster-signing-key-file "$keys/ca.key"
  program kube-scheduler "$BIN/kube-scheduler" --config "$conf/scheduler.yaml" \
    --authentication-kubeconfig "$conf/scheduler" --authorization-kubeconfig "$conf/scheduler" --bind-address 127.0.0.1
  kubectl apply -f "$here/coredns.yaml"
  program coredns "$BIN/coredns" "$conf/Corefile"
  kubectl wait --for=create "node/$NODE" --timeout=60s
  kubectl wait --for=condition=Ready "node/$NODE" --timeout=60s
  kubectl wait --for=create serviceaccount/default --timeout=60s
}

"$1"
