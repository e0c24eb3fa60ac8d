#!/bin/bash
# images.sh : builds IMAGES/pause.tar (sandbox), IMAGES/tools.tar (busybox + whoami + iptables/ip/conntrack/nft with their libraries) from files of this machine
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); I=$IMAGES; R=$(mktemp -d); trap 'rm -rf "$R"' EXIT; mkdir -p "$I"
mkdir "$R/p"; cp "$BIN/pause" "$R/p/pause"
"$HERE/make-image.sh" registry.k8s.io/pause:3.10 "$I/pause.tar" "$R/p" /pause
T=$R/t; mkdir -p "$T"/{bin,sbin,usr/bin,usr/sbin,etc,tmp,proc,sys,dev,run,root,var}; chmod 1777 "$T/tmp"
cp /bin/busybox "$T/bin/busybox"; for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -sf busybox "$T/bin/$a"; done
echo 'root:x:0:0:root:/root:/bin/sh' > "$T/etc/passwd"; echo 'root:x:0:' > "$T/etc/group"
cp "$BIN/whoami" "$T/usr/bin/whoami-http"
lib() { ldd "$1" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' | while read -r l; do mkdir -p "$T$(dirname "$l")"; cp -Ln "$l" "$T$l"; done; }
cpbin() { mkdir -p "$T$(dirname "$2")"; cp -L "$1" "$T$2"; lib "$1"; }
cpbin "$(command -v xtables-nft-multi)" /usr/sbin/xtables-nft-multi; cpbin "$(command -v xtables-legacy-multi)" /usr/sbin/xtables-legacy-multi
for n in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do ln -sf xtables-nft-multi "$T/usr/sbin/$n"; ln -sf xtables-nft-multi "$T/usr/sbin/${n/tables/tables-nft}"; ln -sf xtables-legacy-multi "$T/usr/sbin/${n/tables/tables-legacy}"; done
X=/usr/lib/x86_64-linux-gnu/xtables; mkdir -p "$T$X"; cp -L $X/*.so "$T$X/"; for s in $X/*.so; do lib "$s"; done
cpbin "$(command -v conntrack)" /usr/sbin/conntrack; cpbin "$(command -v nft)" /usr/sbin/nft; rm -f "$T/bin/ip"; cpbin "$(command -v ip)" /usr/sbin/ip
echo "hosts: files dns" > "$T/etc/nsswitch.conf"
cp -n /etc/protocols /etc/services "$T/etc/" 2>/dev/null || true
"$HERE/make-image.sh" podgate-test/tools:1 "$I/tools.tar" "$T" /bin/sh
