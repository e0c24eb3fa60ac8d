{{/* The pieces of the gateway's pod. */}}

{{/* Interception's settings: the same for apply, watch and check, so they are in the environment. */}}
{{- define "podgate.intercept.env" -}}
- name: PODGATE_INTERCEPT_BACKEND
  value: {{ .Values.intercept.backend | quote }}
- name: PODGATE_INTERCEPT_LISTEN_ADDRESS
  value: {{ .Values.intercept.listenAddress | quote }}
- name: PODGATE_INTERCEPT_LISTEN_PORT
  value: {{ .Values.nmi.port | quote }}
- name: PODGATE_INTERCEPT_REVERSE_PATH
  value: {{ .Values.intercept.reversePath | quote }}
- name: PODGATE_INTERCEPT_BLOCK_WIRE_SERVER
  value: {{ .Values.intercept.blockWireServer | quote }}
- name: PODGATE_INTERCEPT_ALLOW_NETWORK_PLUGIN_KUBENET
  value: {{ .Values.nmi.allowNetworkPluginKubenet | quote }}
- name: PODGATE_INTERCEPT_KUBELET_CONFIG
  value: {{ printf "/node%s" .Values.nmi.kubeletConfig | quote }}
{{- with .Values.intercept.uplinks }}
- name: PODGATE_INTERCEPT_UPLINK
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.intercept.metadataIPv6 }}
- name: PODGATE_INTERCEPT_METADATA_IPV6
  value: {{ . | quote }}
- name: PODGATE_INTERCEPT_LISTEN_ADDRESS_IPV6
  value: {{ $.Values.intercept.listenAddressIPv6 | quote }}
{{- end }}
- name: PODGATE_LOG
  value: {{ include "podgate.log" (list .Values.nmi "podgate_intercept") | quote }}
{{- with .Values.nmi.loggingFormat }}
- name: PODGATE_LOG_FORMAT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.intercept.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Root, because a container's capability counts for root only; with this one and no other. */}}
{{- define "podgate.intercept.security" -}}
runAsUser: 0
runAsNonRoot: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  {{- if eq .Values.intercept.backend "nftables" }}
  add: [NET_ADMIN]
  {{- else }}
  # iptables-legacy opens a raw socket.
  add: [NET_ADMIN, NET_RAW]
  {{- end }}
{{- end -}}

{{- define "podgate.intercept.mounts" -}}
- name: kubelet
  mountPath: {{ printf "/node%s" (dir .Values.nmi.kubeletConfig) }}
  readOnly: true
{{- if ne .Values.intercept.backend "nftables" }}
- name: xtables-lock
  mountPath: /run/xtables.lock
{{- end }}
{{- end -}}

{{/* Metrics that Prometheus reaches are on every address; /explain still answers on loopback only. */}}
{{- define "podgate.gateway.adminAddress" -}}
{{- ternary "0.0.0.0" "127.0.0.1" (not (empty .Values.nmi.prometheusPort)) -}}
{{- end -}}

{{- define "podgate.gateway.hasPlugins" -}}
{{- if or .Values.plugins.config .Values.plugins.existingConfigMap }}true{{ end -}}
{{- end -}}

{{- define "podgate.gateway.pluginsConfigMap" -}}
{{- .Values.plugins.existingConfigMap | default (printf "%s-plugins" (include "podgate.fullname" .)) -}}
{{- end -}}

{{- define "podgate.gateway.args" -}}
- --node=$(NODE_NAME)
- --operation-mode={{ .Values.operationMode }}
- --forceNamespaced={{ include "podgate.namespaced" . }}
- --nmi-listen-address={{ .Values.intercept.listenAddress }}
- --nmi-port={{ .Values.nmi.port }}
- --admin-address={{ include "podgate.gateway.adminAddress" . }}
- --http-probe-port={{ .Values.nmi.probePort }}
- --cloud={{ .Values.cloud }}
- --code-cache=/var/cache/podgate/code
- --default-identity={{ .Values.nmi.defaultIdentity }}
- --error-format={{ .Values.nmi.errorFormat }}
- --log={{ include "podgate.log" (list .Values.nmi "podgate_gateway") }}
{{- with .Values.nmi.loggingFormat }}
- --log-format={{ . }}
{{- end }}
{{- with .Values.nmi.prometheusPort }}
- --prometheus-port={{ . }}
{{- end }}
{{- if include "podgate.is" .Values.nmi.blockInstanceMetadata }}
- --block-instance-metadata=true
{{- end }}
{{- if eq (toString .Values.nmi.metadataHeaderRequired) "false" }}
- --metadata-header-required=false
{{- end }}
{{- with .Values.nmi.retryAttemptsForCreated }}
- --retry-attempts-for-created={{ . }}
{{- end }}
{{- with .Values.nmi.retryAttemptsForAssigned }}
- --retry-attempts-for-assigned={{ . }}
{{- end }}
{{- with .Values.nmi.findIdentityRetryIntervalInSeconds }}
- --find-identity-retry-interval={{ . }}
{{- end }}
{{- with .Values.nmi.allowedHosts }}
- --allowed-hosts={{ join "," . }}
{{- end }}
{{- with .Values.nmi.authorityHosts }}
- --authority-hosts={{ join "," . }}
{{- end }}
{{- with .Values.nmi.authority }}
- --authority={{ . }}
{{- end }}
{{- if include "podgate.is" .Values.nmi.allowForeignSecrets }}
- --allow-foreign-secrets=true
{{- end }}
{{- with .Values.nmi.hostTokenPort }}
- --host-token-loopback={{ . }}
{{- end }}
{{- if include "podgate.gateway.hasPlugins" . }}
- --plugins=/etc/podgate/plugins/plugins.yaml
- --plugins-config-map={{ .Release.Namespace }}/{{ include "podgate.gateway.pluginsConfigMap" . }}
- --component-cache=/var/cache/podgate/components
{{- end }}
{{- if .Values.plugins.registries.credentials }}
- --registry-credentials=/etc/podgate/registries/.dockerconfigjson
{{- end }}
{{- with .Values.plugins.registries.plain }}
- --plain-registries={{ join "," . }}
{{- end }}
{{- if .Values.plugins.serviceAccountToken.audience }}
- --service-account-token=/var/run/podgate/service-account/token
{{- end }}
{{- if .Values.trustedCA.configMap }}
- --ca-file=/etc/podgate/ca/{{ .Values.trustedCA.key }}
{{- end }}
{{- with .Values.nmi.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "podgate.gateway.mounts" -}}
- name: cache
  mountPath: /var/cache/podgate
{{- if include "podgate.gateway.hasPlugins" . }}
- name: plugins
  mountPath: /etc/podgate/plugins
  readOnly: true
{{- end }}
{{- if .Values.plugins.registries.credentials }}
- name: registries
  mountPath: /etc/podgate/registries
  readOnly: true
{{- end }}
{{- if .Values.plugins.serviceAccountToken.audience }}
- name: service-account
  mountPath: /var/run/podgate/service-account
  readOnly: true
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: ca
  mountPath: /etc/podgate/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "podgate.gateway.volumes" -}}
- name: cache
  emptyDir:
    sizeLimit: 512Mi
- name: kubelet
  hostPath:
    path: {{ dir .Values.nmi.kubeletConfig }}
    # A node that has no such folder has no kubenet either.
    type: DirectoryOrCreate
{{- if ne .Values.intercept.backend "nftables" }}
- name: xtables-lock
  hostPath:
    path: /run/xtables.lock
    type: FileOrCreate
{{- end }}
{{- if include "podgate.gateway.hasPlugins" . }}
- name: plugins
  configMap:
    name: {{ include "podgate.gateway.pluginsConfigMap" . }}
{{- end }}
{{- with .Values.plugins.registries.credentials }}
- name: registries
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.plugins.serviceAccountToken }}
{{- if .audience }}
# Bound to the gateway's pod and gone with it; no other token of this ServiceAccount has this audience.
- name: service-account
  projected:
    sources:
      - serviceAccountToken:
          audience: {{ .audience | quote }}
          expirationSeconds: {{ .expirationSeconds }}
          path: token
{{- end }}
{{- end }}
{{- with .Values.trustedCA.configMap }}
- name: ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end -}}
