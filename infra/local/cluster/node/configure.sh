#!/bin/bash
# Writes what the programs of the node read: keys and certificates (kept from start to start), kubeconfigs, settings.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
keys=$STATE/pki conf=$STATE/conf

# ---- keys and certificates -----------------------------------------------------------------------------------------
authority() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.crt" \
    -days 3650 -subj "/CN=kube-$1" -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}
certificate() { # NAME AUTHORITY SUBJECT [ALTERNATIVE-NAMES]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "$3" -out "$1.csr"
  printf '%s\n' basicConstraints=CA:FALSE keyUsage=digitalSignature extendedKeyUsage=clientAuth,serverAuth \
    ${4:+"subjectAltName=$4"} >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 12)" \
    -days 3650 -extfile "$1.ext" -out "$1.crt"
  rm "$1.csr" "$1.ext"
}
make_keys() (
  cd "$keys"
  rm -f ./*
  umask 077
  authority ca
  authority front
  openssl genrsa -out sa.key 2048
  openssl rsa -in sa.key -pubout -out sa.pub
  local api=DNS:localhost,DNS:$NODE name=kubernetes
  for name in kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local; do
    api+=,DNS:$name
  done
  certificate apiserver ca /CN=kube-apiserver "$api,IP:127.0.0.1,IP:$NODE_IP,IP:$HOST_IP,IP:$API_SERVICE_IP"
  certificate apiserver-client ca /O=system:masters/CN=kube-apiserver-client
  certificate admin ca /O=system:masters/CN=admin
  certificate controller-manager ca /CN=system:kube-controller-manager
  certificate scheduler ca /CN=system:kube-scheduler
  certificate kube-proxy ca /CN=system:kube-proxy
  certificate coredns ca /CN=system:coredns
  certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:$NODE_IP,IP:127.0.0.1"
  certificate front-proxy front /CN=front-proxy
  echo "$NET" >made-for
)
[ "$(cat "$keys/made-for" 2>/dev/null)" = "$NET" ] || make_keys

kubeconfig() { # CERTIFICATE SERVER
  encoded() { base64 -w0 "$keys/$1"; }
  cat <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: gyre, cluster: {server: "$2", certificate-authority-data: $(encoded ca.crt)}}]
		users: [{name: $1, user: {client-certificate-data: $(encoded "$1.crt"), client-key-data: $(encoded "$1.key")}}]
		contexts: [{name: gyre, context: {cluster: gyre, user: $1}}]
		current-context: gyre
	END
}
(
  umask 077
  kubeconfig admin "https://127.0.0.1:$PORT" >"$conf/admin"
  kubeconfig admin https://127.0.0.1:6443 >"$conf/admin.inner"
  for name in controller-manager scheduler kube-proxy kubelet coredns; do
    kubeconfig $name https://127.0.0.1:6443 >"$conf/$name"
  done
)

# ---- settings ------------------------------------------------------------------------------------------------------
# restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox would start.
cat >"$conf/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_BIN"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$SNAPSHOTTER"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
END
cat >"$STATE/fs/etc/cni/net.d/10-gyre.conflist" <<END
{"cniVersion": "1.0.0", "name": "gyre", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
# Images come by import alone, so none is collected; swap and cgroup v1 will do; a patched capacity shows within a second.
cat >"$conf/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$NAME
failCgroupV1: false
failSwapOn: false
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "$keys/ca.crt"}
authorization: {mode: Webhook}
tlsCertFile: "$keys/kubelet.crt"
tlsPrivateKeyFile: "$keys/kubelet.key"
clusterDNS: ["$NODE_IP"]
clusterDomain: cluster.local
resolvConf: "$conf/resolv.conf"
volumePluginDir: /var/lib/kubelet/volumeplugins
serializeImagePulls: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%, imagefs.inodesFree: 1%}
eventRecordQPS: 0
nodeStatusUpdateFrequency: 1s
oomScoreAdj: 0
maxOpenFiles: $(ulimit -Hn)
END
cat >"$conf/scheduler.yaml" <<END
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: "$conf/scheduler", qps: 500, burst: 1000}
leaderElection: {leaderElect: false}
END
cat >"$conf/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: "$conf/kube-proxy"}
mode: iptables
oomScoreAdj: 0
clusterCIDR: "$POD_CIDR"
iptables: {minSyncPeriod: 100ms}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
cat >"$conf/Corefile" <<END
.:53 {
    bind $NODE_IP
    errors
    hosts {
        $HOST_IP host.gyre.internal
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig "$conf/coredns"
        pods insecure
        ttl 5
    }
    cache 5
    loadbalance
}
END
: >"$conf/resolv.conf" # Names of the world outside are not resolved.

# ---- the image that every Pod's sandbox runs: one layer with one file ----------------------------------------------
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
plain="--sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
tar $plain -C "$BIN" -cf "$work/layer.tar" pause
platform=$("$BIN/kubectl" version --client -o json | sed -n 's#.*"platform": "linux/\(.*\)".*#\1#p')
cat >"$work/config.json" <<END
{"architecture": "$platform", "os": "linux", "config": {"Entrypoint": ["/pause"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)"]}}
END
echo '[{"Config": "config.json", "RepoTags": ["localhost/pause:1"], "Layers": ["layer.tar"]}]' >"$work/manifest.json"
tar $plain -C "$work" -cf "$STATE/run/pause.tar" config.json layer.tar manifest.json
