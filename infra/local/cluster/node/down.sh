#!/bin/bash
# Ends what up.sh and the relays started, and removes what they made; keys and logs stay. Harmless where nothing runs.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
shopt -s nullglob
for file in "$STATE"/run/*.pid; do
  name=$(basename "$file" .pid)
  alive "$name" || continue
  kill -TERM "$pid" 2>/dev/null || true # It may end by itself this moment.
  for _ in $(seq 100); do alive "$name" || break; sleep 0.05; done
  ! alive "$name" || kill -KILL "$pid" || true
done
ip link delete "$LINK" 2>/dev/null || true

# Processes leave their cgroups a moment after they end.
for _ in $(seq 100); do
  left=
  while read -r dir; do
    rmdir "$dir" 2>/dev/null || left=$dir
  done < <(find "/sys/fs/cgroup/$CGROUP" /sys/fs/cgroup/*/"$CGROUP" -depth -type d 2>/dev/null)
  [ -n "$left" ] || break
  sleep 0.05
done
[ -z "$left" ] || echo "the cgroup $left is still in use" >&2

if [ -f "$STATE/run/sysctls" ]; then
  while read -r name value; do
    [ "$(cat "/proc/sys/$name")" = "$value" ] || echo "$value" >"/proc/sys/$name"
  done <"$STATE/run/sysctls"
fi
if [ -f "$STATE/run/made-dirs" ]; then
  tac "$STATE/run/made-dirs" | while read -r dir; do rmdir "$dir" 2>/dev/null || true; done
fi
rm -rf --one-file-system "$STATE"/{fs,etcd,run,conf,cgroups}
[ -z "$left" ]
