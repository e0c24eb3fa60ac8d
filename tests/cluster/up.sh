#!/bin/bash
# up.sh : a whole cluster in namespaces of this machine, nothing in the machine's own network namespace.
#   hub   (net+pid ns): bridge br0 192.168.77.1/24; etcd, kube-apiserver, kube-controller-manager, kube-scheduler
#   nodeN (net+pid+mnt+uts+ipc ns): eth0 192.168.77.1N/24; containerd, kubelet, kube-proxy; pods 10.244.N.0/24 on cni0
# NODES=1 (default) .. 9, BIN: the folder with the programs, IMAGES: the folder with the images (images.sh).
# Prints the cluster's folder DIR; then DIR/kubectl and DIR/on NODE CMD... work. Runs until its standard input ends, which
# it does with whoever started it, and takes everything away. A line "kill NODE" on it ends all processes of a node at once, as if
# its power were cut; "start NODE" lets it come back with what was on its disk; either is answered with a line when it is done.
# NODE_GRACE=20: seconds until a node that is silent counts as not ready, instead of 50.
# Killed itself, it takes its processes with it, and the
# next one takes away the rest: what is in DIR, control groups, a raised limit. BY_HAND=1: "cluster down" may end it.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); B=$BIN; NODES=${NODES:-1}; ETCD=$B/etcd
KUBECTL=$B/kubectl; CONTAINERD=$(command -v containerd); CNIBIN=${CNIBIN:-/usr/lib/cni}
PREFIX=${TMPDIR:-/tmp}/podgate-cluster.
# A cluster lives as long as somebody has its owner file locked: this script and all that it starts. The number in the
# file alone would say nothing, as it may by now be another process's.
for old in "$PREFIX"*; do [ -O "$old" ] && [ -f "$old/owner" ] && flock --nonblock "$old/owner" "$HERE/down.sh" "$old"; done || true
D=$(mktemp -d "$PREFIX"XXXXXX); exec 9> "$D/owner.new"; flock 9; echo $$ >&9; mv "$D/owner.new" "$D/owner"; [ -z "${BY_HAND:-}" ] || : > "$D/by-hand"
mkdir -p "$D/log"; : > "$D/pids"; CG=podgate-test-$(basename "$D" | tr -c 'A-Za-z0-9\n' -); echo "$CG" > "$D/cgroup"
is_child() { grep -qs "^PPid:[[:space:]]*$$\$" "/proc/$1/status"; }
end() { # with PID 1 of a namespace goes everything in it. Nothing may cut this short: a second Ctrl-C, an output that nobody reads any more
  trap '' INT TERM HUP PIPE; set +e
  while read -r u init name; do ! is_child "$u" || kill -9 "$u"; done < <(tac "$D/pids")
  while read -r u init name; do for _ in $(seq 100); do [ -d "/proc/$init" ] || break; sleep 0.1; done; done < "$D/pids"
  "$HERE/down.sh" "$D"; }
trap end EXIT; trap 'exit 1' INT TERM HUP PIPE
T0=$(date +%s.%N); el() { printf '%6.2fs %s\n' "$(echo "$(date +%s.%N)-$T0" | bc)" "$1" >&2; }
CONTROLLERS_MIN=serviceaccount-controller,serviceaccount-token-controller,root-ca-certificate-publisher-controller,daemonset-controller,deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller,node-lifecycle-controller,taint-eviction-controller,endpoints-controller,endpointslice-controller,pod-garbage-collector-controller,job-controller,clusterrole-aggregation-controller,disruption-controller,statefulset-controller
HUBIP=192.168.77.1; URL=https://$HUBIP:6443
initpid() { local c; for _ in $(seq 50); do c=$(cat "/proc/$1/task/$1/children" 2>/dev/null || true); [ -n "$c" ] && { echo "${c%% *}"; return; }; sleep 0.05; done; return 1; }
newns() { # name flags... : starts PID 1 of the namespace, records it. It dies with this script, also with one that dies before it asked for that.
  local n=$1; shift
  setsid setpriv --pdeathsig KILL -- sh -c '[ "$PPID" = "$0" ] && exec "$@"' $$ unshare --fork --kill-child "$@" "$B/pause" > "$D/log/$n-init.log" 2>&1 < /dev/null & local u=$!
  initpid "$u" > "$D/$n.pid"; echo "$u $(cat "$D/$n.pid") $n" >> "$D/pids"; }
# several clusters may be up: the first keeps the machine's value, the last down.sh puts it back; the last is the one whose control group is the only one
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then mkdir "/sys/fs/cgroup/$CG"; else mkdir "/sys/fs/cgroup/pids/$CG"; fi
[ -f /run/podgate-test.inotify ] || sysctl -n fs.inotify.max_user_instances > /run/podgate-test.inotify; sysctl -qw fs.inotify.max_user_instances=8192 || true
names=(); for i in $(seq "$NODES"); do names+=("node$i=192.168.77.1$i"); done
"$HERE/pki.sh" "$D/pki" "$URL" "IP:127.0.0.1,IP:$HUBIP,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local" "${names[@]}"
el pki
newns hub --pid --net --mount --mount-proc; HUB=$(cat "$D/hub.pid")
hub() { nsenter -t "$HUB" -n -p -m "$@"; }
hub sh -ec "ip link set lo up; ip link add br0 type bridge; ip addr add $HUBIP/24 dev br0; ip link set br0 up; echo 1 > /proc/sys/net/ipv4/ip_forward"
cat > "$D/kubectl" <<K
#!/bin/sh
exec nsenter -t $HUB -n $KUBECTL --kubeconfig $D/pki/admin.kubeconfig "\$@"
K
cat > "$D/on" <<K
#!/bin/sh
# on NODE CMD... : run a command in a node's (or hub's) namespaces
p=\$(cat $D/\$1.pid); shift; exec nsenter -t \$p -m -n -p -u -i "\$@"
K
chmod +x "$D/kubectl" "$D/on"
start() { local n=$1 p=$2; shift 2; setsid nsenter -t "$p" -m -n -p -u -i "$@" >> "$D/log/$n.log" 2>&1 < /dev/null & }
start etcd $HUB "$ETCD" --name e0 --data-dir "$D/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
  --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster e0=http://127.0.0.1:2380 --log-level warn $("$ETCD" --help 2>&1 | grep -q unsafe-no-fsync && echo --unsafe-no-fsync)
start kube-apiserver $HUB "$B/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address=$HUBIP --bind-address=0.0.0.0 --secure-port=6443 \
  --authorization-mode=Node,RBAC --client-ca-file="$D/pki/ca.crt" --tls-cert-file="$D/pki/apiserver.crt" --tls-private-key-file="$D/pki/apiserver.key" --cert-dir="$D/pki" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$D/pki/sa.pub" --service-account-signing-key-file="$D/pki/sa.key" \
  --service-cluster-ip-range=10.96.0.0/16 --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  --kubelet-certificate-authority="$D/pki/ca.crt" --kubelet-client-certificate="$D/pki/apiserver-kubelet-client.crt" --kubelet-client-key="$D/pki/apiserver-kubelet-client.key" \
  --kubelet-preferred-address-types=InternalIP --requestheader-client-ca-file="$D/pki/front-proxy-ca.crt" --proxy-client-cert-file="$D/pki/front-proxy-client.crt" --proxy-client-key-file="$D/pki/front-proxy-client.key" \
  --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra-
configure() { # NUMBER: a node's disk
  local i=$1 n=node$1 N=$D/node$1; mkdir -p "$N"/{lib-kubelet,lib-containerd,lib-cni,cni,log-pods,log-containers}
  mkdir -p /var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni/net.d /var/log/pods /var/log/containers   # mount points only
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then   # pure cgroup v2
    mkdir -p /sys/fs/cgroup/$CG/$n; for d in /sys/fs/cgroup /sys/fs/cgroup/$CG; do sed 's/^/+/;s/ / +/g' $d/cgroup.controllers > $d/cgroup.subtree_control || true; done
  else
    for c in cpu cpuacct cpuset memory devices freezer blkio pids hugetlb systemd; do [ -d /sys/fs/cgroup/$c ] && mkdir -p /sys/fs/cgroup/$c/$CG/$n; done
    for f in cpuset.cpus cpuset.mems; do cat /sys/fs/cgroup/cpuset/$f > /sys/fs/cgroup/cpuset/$CG/$f; cat /sys/fs/cgroup/cpuset/$f > /sys/fs/cgroup/cpuset/$CG/$n/$f; done
  fi
  cat > "$N/cni/10-test.conflist" <<K
{"cniVersion":"0.4.0","name":"test","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":"/var/lib/cni/networks","ranges":[[{"subnet":"10.244.$i.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
K
  cat > "$N/containerd.toml" <<K
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNIBIN"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
K
  cat > "$N/kubelet.yaml" <<K
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $D/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $D/pki/kubelet-$n.crt
tlsPrivateKeyFile: $D/pki/kubelet-$n.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CG/$n
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
${NODE_GRACE:+nodeLeaseDurationSeconds: 16}
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 24h
resolvConf: $N/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
K
  echo "nameserver 127.0.0.1" > "$N/resolv.conf"
  cat > "$N/kube-proxy.yaml" <<K
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ${PROXY_MODE:-iptables}
hostnameOverride: $n
clusterCIDR: 10.244.0.0/16
clientConnection: {kubeconfig: $D/pki/kube-proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
oomScoreAdj: 0
K
}
boot() { # NUMBER: namespaces, network, mounts, containerd
  local i=$1 n=node$1 ip=192.168.77.1$1 N=$D/node$1 p
  newns $n --pid --net --mount --uts --ipc --mount-proc; p=$(cat "$D/$n.pid")
  # a killed node's link goes with its network, which may take a moment
  hub ip link delete "v$n" 2>/dev/null || true
  ip link add eth0 netns "$p" type veth peer name "v$n" netns "$HUB"
  hub sh -ec "ip link set v$n master br0 up; ip route replace 10.244.$i.0/24 via $ip"
  "$D/on" $n sh -ec "
    hostname $n
    mkdir -p /tmp/.cg-$CG; mount --rbind /sys/fs/cgroup /tmp/.cg-$CG; mount -t sysfs sysfs /sys; mount --rbind /tmp/.cg-$CG /sys/fs/cgroup; umount -l /tmp/.cg-$CG
    mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/lock /run/netns
    mount --bind $N/lib-kubelet /var/lib/kubelet; mount --bind $N/lib-containerd /var/lib/containerd; mount --bind $N/lib-cni /var/lib/cni
    mount --bind $N/cni /etc/cni/net.d; mount --bind $N/log-pods /var/log/pods; mount --bind $N/log-containers /var/log/containers
    mkdir -p /run/sysctl; for kv in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
      f=/run/sysctl/\$(echo \${kv%=*} | tr / .); echo \${kv#*=} > \$f; mount --bind \$f /proc/sys/\${kv%=*}; done   # kubelet finds what it wants and leaves the machine's settings alone
    mount --make-rshared /
    ip link set lo up; ip addr add $ip/24 dev eth0; ip link set eth0 up; ip route add default via $HUBIP
    for j in $(seq -s' ' "$NODES"); do [ \$j = $i ] || ip route add 10.244.\$j.0/24 via 192.168.77.1\$j; done
    echo 1 > /proc/sys/net/ipv4/ip_forward"
  rmdir "/tmp/.cg-$CG" 2>/dev/null || true
  start containerd-$n "$p" "$CONTAINERD" -c "$N/containerd.toml"; }
serves() { for _ in $(seq 100); do "$D/on" "$1" ctr version >/dev/null 2>&1 && return; sleep 0.1; done; }
join() { # NUMBER: kubelet and kube-proxy
  local i=$1 n=node$1 p; p=$(cat "$D/$n.pid")
  # as systemd has it: one that comes before containerd is done with what it remembers is started again
  start kubelet-$n "$p" sh -c 'while :; do "$@"; sleep 1; done' kubelet "$B/kubelet" --config="$D/$n/kubelet.yaml" --kubeconfig="$D/pki/kubelet-$n.kubeconfig" --hostname-override=$n --node-ip=192.168.77.1$i --root-dir=/var/lib/kubelet -v=${KUBELET_V:-2}
  [ "${NO_PROXY_COMPONENT:-}" ] || start kube-proxy-$n "$p" "$B/kube-proxy" --config="$D/$n/kube-proxy.yaml"; }
# nodes: namespaces, containerd and images while the apiserver comes up
for i in $(seq "$NODES"); do configure "$i"; boot "$i"; done
import() { # NODE: what its pods are made of
  serves "$1"
  for t in "$IMAGES"/*.tar ${EXTRA_IMAGES:-}; do "$D/on" "$1" ctr -n k8s.io images import "$t" > "$D/log/import-$1.log" 2>&1 < /dev/null || cat "$D/log/import-$1.log" >&2; done; }
imports=(); for i in $(seq "$NODES"); do import "node$i" & imports+=($!); done
for import in "${imports[@]}"; do wait "$import"; done
el containerd+images
for _ in $(seq 300); do hub curl -sf --cacert "$D/pki/ca.crt" "$URL/readyz" >/dev/null && break; sleep 0.1; done
el apiserver-ready
start kube-controller-manager $HUB "$B/kube-controller-manager" --kubeconfig="$D/pki/kube-controller-manager.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false \
  --service-account-private-key-file="$D/pki/sa.key" --root-ca-file="$D/pki/ca.crt" --use-service-account-credentials --cluster-signing-cert-file="$D/pki/ca.crt" --cluster-signing-key-file="$D/pki/ca.key" ${KCM_ARGS:---controllers=$CONTROLLERS_MIN} ${NODE_GRACE:+--node-monitor-grace-period=${NODE_GRACE}s}
start kube-scheduler $HUB "$B/kube-scheduler" --kubeconfig="$D/pki/kube-scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false
"$D/kubectl" create clusterrolebinding kube-proxy --clusterrole=system:node-proxier --user=system:kube-proxy >/dev/null 2>&1 || true
for i in $(seq "$NODES"); do join "$i"; done
for i in $(seq "$NODES"); do for _ in $(seq 300); do "$D/kubectl" get node node$i >/dev/null 2>&1 && break; sleep 0.1; done; done
"$D/kubectl" wait --for=condition=Ready --timeout=90s node --all >/dev/null && el nodes-Ready
for _ in $(seq 100); do "$D/kubectl" get sa default >/dev/null 2>&1 && break; sleep 0.1; done
el default-serviceaccount
echo "$D"
disown -a
left() { for g in /sys/fs/cgroup/"$CG/$1" /sys/fs/cgroup/*/"$CG/$1"; do [ ! -d "$g" ] || find "$g" -mindepth 1 -depth -type d; done; } # control groups of a node's pods
power_off() { # NODE
  local p; p=$(cat "$D/$1.pid"); kill -9 "$p"; while [ -d "/proc/$p" ]; do sleep 0.02; done
  # a machine that boots has none of them; its processes take a moment to go
  for _ in $(seq 50); do [ -n "$(left "$1")" ] || break; left "$1" | xargs -r rmdir 2>/dev/null || true; sleep 0.1; done
  sed -i "/ $1\$/d" "$D/pids"; }
while read -r verb name; do
  case "$verb $name" in
    "kill node"[1-9]) power_off "$name" ;;
    "start node"[1-9]) boot "${name#node}" < /dev/null; serves "$name" < /dev/null; join "${name#node}"; disown -a ;;
    *) continue ;;
  esac
  echo "$verb $name"
done
