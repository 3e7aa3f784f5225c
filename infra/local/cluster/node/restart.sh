#!/bin/bash
# Ends one program of a running node and lets it come back, to see what its absence does.
#   KUBE_STATE=FOLDER restart.sh NAME [SIGNAL [SECONDS]]     default: TERM, 0 seconds away
# NAME: etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
name=$1 hold=$STATE/run/$1.hold

program_pid() { # sets $pid to the program's PID on this machine
  local keeper child
  alive holder || return 1
  for keeper in $(cat "/proc/$pid/task/$pid/children"); do
    if [ "$(tr '\0' ' ' <"/proc/$keeper/cmdline")" = "bash $STATE/run/$name.sh " ]; then
      child=$(tr -d ' ' <"/proc/$keeper/task/$keeper/children")
      [ -n "$child" ] && [ "$(cat "/proc/$child/comm")" != sleep ] && pid=$child && return 0
    fi
  done 2>/dev/null
  return 1
}

[ -f "$STATE/run/$name.sh" ] || { echo "restart.sh: $name does not run in $STATE" >&2; exit 1; }
trap 'rm -f "$hold"' EXIT
touch "$hold"
if program_pid; then
  old=$pid
  kill "-${2:-TERM}" "$old"
  for _ in $(seq 150); do [ -d "/proc/$old" ] || break; sleep 0.1; done
  [ ! -d "/proc/$old" ] || kill -KILL "$old"
fi
sleep "${3:-0}"
rm -f "$hold"
for _ in $(seq 50); do
  sleep 0.1
  if program_pid; then exit 0; fi
done
echo "restart.sh: $name did not come back; see $STATE/log/$name.log" >&2
exit 1
