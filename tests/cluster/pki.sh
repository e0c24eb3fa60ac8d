#!/bin/bash
# pki.sh DIR SERVER-URL "SAN,SAN,..." [node names...] : throw-away CA, certificates, kubeconfigs (EC keys, ~0.3 s)
set -euo pipefail
D=$1 SERVER=$2 SANS=$3; shift 3
mkdir -p "$D"; cd "$D"; umask 077
q() { openssl "$@" 2>/dev/null; }
newkey() { q ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
ca() { newkey "$1"; q req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.crt"; }
sign() { # ca name subject [san] [eku]
  newkey "$2"
  { echo "basicConstraints=CA:FALSE"; echo "keyUsage=digitalSignature"; echo "extendedKeyUsage=${5:-clientAuth}"; [ -z "${4:-}" ] || echo "subjectAltName=$4"; } > "$2.ext"
  q req -new -key "$2.key" -subj "$3" | q x509 -req -CA "$1.crt" -CAkey "$1.key" -set_serial 0x$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^[89a-f]/7/') -days 30 -extfile "$2.ext" -out "$2.crt"
  rm -f "$2.ext"; }
kubeconfig() { # name
  cat > "$1.kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$SERVER", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $1, context: {cluster: test, user: $1}}]
current-context: $1
K
}
ca ca; ca front-proxy-ca
newkey sa; q ec -in sa.key -pubout -out sa.pub
sign ca apiserver /CN=kube-apiserver "$SANS" serverAuth
sign ca apiserver-kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
sign front-proxy-ca front-proxy-client /CN=front-proxy-client
sign ca admin "/O=system:masters/CN=admin"; kubeconfig admin
sign ca kube-controller-manager "/CN=system:kube-controller-manager"; kubeconfig kube-controller-manager
sign ca kube-scheduler "/CN=system:kube-scheduler"; kubeconfig kube-scheduler
sign ca kube-proxy "/CN=system:kube-proxy"; kubeconfig kube-proxy
for n in "$@"; do name=${n%%=*} ip=${n#*=}
  sign ca "kubelet-$name" "/O=system:nodes/CN=system:node:$name" "DNS:$name,IP:$ip" "clientAuth,serverAuth"; kubeconfig "kubelet-$name"
done
