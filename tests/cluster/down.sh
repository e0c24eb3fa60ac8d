#!/bin/bash
# down.sh DIR : takes away what is left of a cluster whose processes are gone: control groups, the raised limit, DIR
set -u; D=$(realpath "$1"); CG=$(cat "$D/cgroup" 2>/dev/null)
groups() { [ -z "$CG" ] || ls -d /sys/fs/cgroup/"$CG" /sys/fs/cgroup/*/"$CG" 2>/dev/null; }
for _ in $(seq 20); do [ -n "$(groups)" ] || break; groups | while read -r g; do find "$g" -depth -type d -exec rmdir {} + 2>/dev/null; done; sleep 0.1; done
if [ -f /run/podgate-test.inotify ] && ! ls -d /sys/fs/cgroup/podgate-test-* /sys/fs/cgroup/*/podgate-test-* 2>/dev/null | grep -q .; then
  sysctl -qw fs.inotify.max_user_instances="$(cat /run/podgate-test.inotify)"; rm -f /run/podgate-test.inotify; fi
rm -rf --one-file-system "$D"
