{{/* The pieces of the controller's pod. */}}

{{- define "podgate.controller.args" -}}
{{- if and .Values.mic.cloudConfig (not .Values.adminsecret) -}}
- --cloudconfig={{ .Values.mic.cloudConfig }}
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
- name: MIC_POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- if include "podgate.is" .Values.mic.customCloud.enabled }}
- name: AZURE_ENVIRONMENT_FILEPATH
  value: {{ .Values.mic.customCloud.configPath | quote }}
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
