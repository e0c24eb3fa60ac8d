{{/* The pieces of the controller's pod. */}}

{{/* Whether this cluster has nodes, and none is a virtual machine of Azure. `helm template` looks at no cluster. The answer
is kept, as the list of a large cluster's nodes is long. */}}
{{- define "podgate.elsewhere" -}}
{{- if not (hasKey .Values "isElsewhere") -}}
{{- $nodes := (lookup "v1" "Node" "" "").items | default list -}}
{{- $elsewhere := not (empty $nodes) -}}
{{- range $nodes -}}
{{- if hasPrefix "azure:" (dig "spec" "providerID" "" .) }}{{ $elsewhere = false }}{{ end -}}
{{- end -}}
{{- $_ := set .Values "isElsewhere" $elsewhere -}}
{{- end -}}
{{- if .Values.isElsewhere }}true{{ end -}}
{{- end -}}

{{/* The node's file with the credential; nothing where there is none. */}}
{{- define "podgate.controller.cloudConfig" -}}
{{- if not .Values.adminsecret -}}
{{- if ne .Values.mic.cloudConfig "auto" -}}
{{ .Values.mic.cloudConfig }}
{{- else if not (include "podgate.elsewhere" .) -}}
/etc/kubernetes/azure.json
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The controller has no credential that anybody gave it: it tries the identity of its node. */}}
{{- define "podgate.controller.isUnset" -}}
{{- if and (not .Values.adminsecret) (eq .Values.mic.cloudConfig "auto") (not .Values.mic.extraEnv) (include "podgate.elsewhere" .) }}true{{ end -}}
{{- end -}}

{{- define "podgate.controller.args" -}}
{{- with include "podgate.controller.cloudConfig" . -}}
- --cloudconfig={{ . }}
{{ end -}}
- --forceNamespaced={{ include "podgate.namespaced" . }}
- --leader-election-namespace={{ include "podgate.controller.leaseNamespace" . }}
- --leader-election-name={{ include "podgate.controller.lease" . }}
{{- with .Values.mic.leaderElection.instance }}
- --leader-election-instance={{ . }}
{{- end }}
{{- with .Values.mic.leaderElection.duration }}
- --leader-election-duration={{ . }}
{{- end }}
- --http-probe-port={{ .Values.mic.probePort | default 8080 }}
- --prometheus-port={{ .Values.mic.prometheusPort | default 8888 }}
- --log={{ include "podgate.log" (list .Values.mic "podgate_controller") }}
{{- with .Values.mic.loggingFormat }}
- --log-format={{ . }}
{{- end }}
{{- with .Values.mic.immutableUserMSIs }}
- --immutable-user-msis={{ join "," . }}
{{- end }}
{{- with .Values.mic.syncRetryDuration }}
- --syncRetryDuration={{ . }}
{{- end }}
{{- with .Values.mic.identityAssignmentReconcileInterval }}
- --identity-assignment-reconcile-interval={{ . }}
{{- end }}
{{- with .Values.mic.createDeleteBatch }}
- --createDeleteBatch={{ . }}
{{- end }}
{{- with .Values.mic.clientQps }}
- --clientQps={{ . }}
{{- end }}
{{- if .Values.trustedCA.configMap }}
- --ca-file=/etc/podgate/ca/{{ .Values.trustedCA.key }}
{{- end }}
{{- with .Values.customUserAgent }}
- --custom-user-agent={{ . }}
{{- end }}
{{- with .Values.mic.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "podgate.controller.lease" -}}
{{- .Values.mic.leaderElection.name | default "aad-pod-identity-mic" -}}
{{- end -}}

{{- define "podgate.controller.leaseNamespace" -}}
{{- .Values.mic.leaderElection.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "podgate.controller.env" -}}
{{- if include "podgate.is" .Values.mic.customCloud.enabled }}
- name: AZURE_ENVIRONMENT_FILEPATH
  value: {{ .Values.mic.customCloud.configPath | quote }}
{{- end }}
{{- if include "podgate.controller.isUnset" . }}
# No node of this cluster is Azure's, so there is no azure.json. Service principals need none.
- name: CLOUD
  value: {{ .Values.cloud | quote }}
- name: USE_MSI
  value: "true"
{{- end }}
{{- if .Values.adminsecret }}
{{- range $variable, $key := include "podgate.controller.credential" . | fromYaml }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "podgate.controller" $ }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- with .Values.mic.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The controller's variables, and the Secret's keys, which are the old ones. */}}
{{- define "podgate.controller.credential" -}}
CLOUD: Cloud
SUBSCRIPTION_ID: SubscriptionID
RESOURCE_GROUP: ResourceGroup
VM_TYPE: VMType
TENANT_ID: TenantID
CLIENT_ID: ClientID
CLIENT_SECRET: ClientSecret
{{- if not (kindIs "invalid" .Values.adminsecret.useMSI) }}
USE_MSI: UseMSI
{{- end }}
{{- if .Values.adminsecret.userAssignedMSIClientID }}
USER_ASSIGNED_MSI_CLIENT_ID: UserAssignedMSIClientID
{{- end }}
{{- end -}}

{{/* Of the pods of the controller, and of the one that retires it. */}}
{{- define "podgate.controller.podSecurity" -}}
{{- if include "podgate.controller.cloudConfig" . }}
# The node's azure.json is readable by its owner only, which is root.
runAsUser: 0
{{- else }}
runAsUser: 65532
runAsGroup: 65532
runAsNonRoot: true
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "podgate.controller.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "podgate.controller.mounts" -}}
{{- with include "podgate.controller.cloudConfig" . }}
- name: cloud-config
  mountPath: {{ . }}
  readOnly: true
{{- end }}
{{- if include "podgate.is" .Values.mic.customCloud.enabled }}
- name: custom-cloud
  mountPath: {{ .Values.mic.customCloud.configPath }}
  readOnly: true
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: ca
  mountPath: /etc/podgate/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "podgate.controller.volumes" -}}
{{- with include "podgate.controller.cloudConfig" . }}
- name: cloud-config
  hostPath:
    path: {{ . }}
    type: File
{{- end }}
{{- if include "podgate.is" .Values.mic.customCloud.enabled }}
- name: custom-cloud
  hostPath:
    path: {{ .Values.mic.customCloud.configPath }}
    type: File
{{- end }}
{{- with .Values.trustedCA.configMap }}
- name: ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end -}}
