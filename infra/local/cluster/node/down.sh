#!/bin/bash
# Ends what up.sh and the relays started, and removes what they made; keys and logs stay. Harmless where nothing runs.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
: "${NAME:?}"
shopt -s nullglob
for file in "$STATE"/run/*.pid; do
  name=$(basename "$file" .pid)
  alive "$name" || continue
  kill -TERM "$pid" 2>/dev/null || true # It may end by itself this moment.
  for _ in $(seq 100); do alive "$name" || break; sleep 0.05; done
  ! alive "$name" || kill -KILL "$pid" || true
done
ip link delete "$NAME" 2>/dev/null || true

# Processes leave their cgroups a moment after they end.
for _ in $(seq 100); do
  left=
  while read -r dir; do
    rmdir "$dir" 2>/dev/null || left=$dir
  done < <(find "/sys/fs/cgroup/$NAME" /sys/fs/cgroup/*/"$NAME" -depth -type d 2>/dev/null)
  [ -n "$left" ] || break
  sleep 0.05
done
[ -z "$left" ] || echo "the cgroup $left is still in use" >&2

# A folder that another node has mounted stays for that one to remove: removing it here would take it away there.
if [ -f "$MADE_DIRS" ]; then
  kept=
  for dir in $(sort -u "$MADE_DIRS"); do
    if grep -qs " $dir " /proc/[0-9]*/mountinfo; then kept=1; else rmdir "$dir" 2>/dev/null || true; fi
  done
  [ -n "$kept" ] || rm "$MADE_DIRS"
fi
rm -rf --one-file-system "$STATE"/{fs,etcd,run,conf,cgroups}
[ -z "$left" ]
