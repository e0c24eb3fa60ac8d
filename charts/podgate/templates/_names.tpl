{{/* Names and labels. */}}

{{- define "podgate.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 50, so that the longest ending fits into the 63 of a label. */}}
{{- define "podgate.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "podgate.gateway" -}}
{{ include "podgate.fullname" . }}-gateway
{{- end -}}

{{- define "podgate.controller" -}}
{{ include "podgate.fullname" . }}-controller
{{- end -}}

{{/* What never changes in the life of a release. Takes a list: root, component. */}}
{{- define "podgate.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "podgate.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "podgate.labels" -}}
{{- $root := index . 0 -}}
{{ include "podgate.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}
