#!/bin/bash
# containerd's `ctr` on the node's own containerd: ctr.sh images ls -q
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
alive holder || { echo "ctr.sh: no node runs in $STATE" >&2; exit 1; }
# By the short path of the node: a socket's path has 107 characters at most.
exec nsenter --target "$pid" --mount ctr --address /run/containerd/containerd.sock --namespace k8s.io "$@"
