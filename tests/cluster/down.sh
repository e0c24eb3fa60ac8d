#!/bin/bash
# down.sh DIR : kill PID 1 of every namespace up.sh made (the kernel then kills everything inside), remove cgroups, restore sysctls
set -u; D=$(realpath "$1"); CG=$(cat "$D/cgroup")
while read -r u init name; do kill -9 "$init" 2>/dev/null; done < <(tac "$D/pids")
while read -r u init name; do for _ in $(seq 100); do [ -d "/proc/$init" ] || break; sleep 0.1; done; kill "$u" 2>/dev/null; done < "$D/pids"
for _ in 1 2 3 4 5; do find /sys/fs/cgroup/"$CG" /sys/fs/cgroup/*/"$CG" -depth -type d -exec rmdir {} + 2>/dev/null; ls -d /sys/fs/cgroup/"$CG" /sys/fs/cgroup/*/"$CG" 2>/dev/null | grep -q . || break; sleep 0.3; done
if [ -f /run/podgate-test.inotify ] && ! ls -d /sys/fs/cgroup/podgate-test-* /sys/fs/cgroup/cpuset/podgate-test-* 2>/dev/null | grep -q .; then
  sysctl -qw fs.inotify.max_user_instances="$(cat /run/podgate-test.inotify)"; rm -f /run/podgate-test.inotify; fi
[ "${KEEP:-}" ] || rm -rf --one-file-system "$D"
