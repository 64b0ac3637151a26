#!/bin/sh
# boot.sh NAME DIRECTORY NAMESPACE CGROUP [OPTION...]     boots a host in this process's place and keeps it up until it powers off.
#
# DIRECTORY/root is its root file system, NAMESPACE its network, CGROUP its place below every hierarchy of control groups, and each
# OPTION one more of systemd-nspawn's. A reboot from inside starts it again; SIGTERM powers it off.
set -eu
name=$1 directory=$2 namespace=$3 cgroup=$4
shift 4

while read -r _ place kind _; do
  case $kind in cgroup | cgroup2) ;; *) continue ;; esac
  case $place in /sys/fs/cgroup | /sys/fs/cgroup/*) ;; *) continue ;; esac
  mkdir -p "$place/$cgroup"
  if [ -e "$place/cpuset.cpus" ] && [ "$kind" = cgroup ]; then # version 1: a new set is empty, and nothing may enter it
    for set in "${cgroup%/*}" "$cgroup"; do
      for file in cpuset.cpus cpuset.mems; do cat "$place/$file" >"$place/$set/$file"; done
    done
  fi
  echo $$ >"$place/$cgroup/cgroup.procs"
done </proc/self/mounts

export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 # a Docker Engine inside writes to /proc/sys/net
reboot=133                               # what systemd-nspawn ends with when the host asked for one
while :; do
  systemd-nspawn --quiet --register=no --keep-unit --machine="$name" --directory="$directory/root" --network-namespace-path="$namespace" \
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe --kill-signal=SIGRTMIN+3 \
    --capability=all --system-call-filter=@keyring --system-call-filter=bpf "$@" /.boot &
  child=$!
  trap 'kill $child' TERM
  code=0 && wait $child || code=$?
  # a signal ends the waiting, not the host
  while [ $code -gt 128 ] && [ $code != $reboot ] && kill -0 $child 2>/dev/null; do code=0 && wait $child || code=$?; done
  [ $code = $reboot ] || exit $code
done
