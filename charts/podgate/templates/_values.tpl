{{/* What values mean: old forms, and what is refused. */}}

{{/* "true" for true and "true": the old chart's switches were strings. */}}
{{- define "podgate.is" -}}
{{- if eq (toString .) "true" }}true{{ end -}}
{{- end -}}

{{- define "podgate.standard" -}}
{{- if eq .Values.operationMode "standard" }}true{{ end -}}
{{- end -}}

{{/* Managed mode has no controller that could judge a binding across namespaces. */}}
{{- define "podgate.namespaced" -}}
{{- if or (eq .Values.operationMode "managed") (include "podgate.is" .Values.forceNamespaced) }}true{{ else }}false{{ end -}}
{{- end -}}

{{/* The old chart's own images: whoever installs with an old values file wants podgate's. */}}
{{- define "podgate.oldRepository" -}}
{{- if regexMatch "(^|/)aad-pod-identity/?$" .Values.image.repository }}true{{ end -}}
{{- end -}}

{{/* A component's image. Takes a list: root, the component's values, its image's name, the old image's name. */}}
{{- define "podgate.image" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- $repository := trimSuffix "/" $root.Values.image.repository -}}
{{- $image := $values.image | default (index . 2) -}}
{{- $tag := $values.tag | default $root.Values.image.tag -}}
{{- if eq $image (index . 3) -}}
{{- $image = index . 2 -}}
{{- $tag = $root.Values.image.tag -}}
{{- end -}}
{{- if include "podgate.oldRepository" $root -}}
{{- $repository = "podgate" -}}
{{- $tag = $root.Values.image.tag -}}
{{- end -}}
{{- if $values.digest -}}
{{ $repository }}/{{ $image }}@{{ $values.digest }}
{{- else -}}
{{ $repository }}/{{ $image }}:{{ $tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "podgate.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  {{- if kindIs "string" . }}
  - name: {{ . }}
  {{- else }}
  - name: {{ .name }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A log filter. Takes a list: the component's values, its crate. */}}
{{- define "podgate.log" -}}
{{- $values := index . 0 -}}
{{- $level := "info" -}}
{{- if ge (int $values.logVerbosity) 4 }}{{ $level = printf "info,%s=debug" (index . 1) }}{{ end -}}
{{- $values.log | default $level -}}
{{- end -}}

{{/* azureIdentities as a list, whatever its form; a password reference may be the text of an object. */}}
{{- define "podgate.identities" -}}
{{- $identities := .Values.azureIdentities | default list -}}
{{- if kindIs "map" $identities -}}
{{- $identities = list -}}
{{- range $name, $identity := .Values.azureIdentities -}}
{{- $identities = append $identities (merge (dict "name" ($identity.name | default $name)) $identity) -}}
{{- end -}}
{{- end -}}
{{- $whole := list -}}
{{- range $identities -}}
{{- $secret := .clientPassword | default dict -}}
{{- if kindIs "string" $secret }}{{ $secret = fromYaml $secret }}{{ end -}}
{{- $namespace := .namespace | default $.Release.Namespace -}}
{{- $whole = append $whole (merge (dict "namespace" $namespace "clientPassword" $secret) .) -}}
{{- end -}}
{{- toYaml (dict "list" $whole) -}}
{{- end -}}

{{/* Keys that mean something else here, and values that contradict each other. Every other unknown key is refused by the
schema, which cannot say what to write instead. */}}
{{- define "podgate.refuse" -}}
{{- $renamed := dict
    "gateway" "the gateway's values are below nmi"
    "controller" "the controller's values are below mic"
    "azureIdentity" "use azureIdentities, a map of name to resourceID, clientID and binding"
    "azureIdentityBinding" "use azureIdentities.NAME.binding"
    "forceNameSpaced" "write forceNamespaced"
    "serviceMonitor" "use monitoring.serviceMonitor for the controller and monitoring.podMonitor for the gateways"
    "podMonitor" "use monitoring.podMonitor"
    "tolerations" "use nmi.tolerations and mic.tolerations"
    "nodeSelector" "use nmi.nodeSelector and mic.nodeSelector"
    "resources" "use nmi.resources, intercept.resources and mic.resources"
    "replicaCount" "use mic.replicas" -}}
{{- range $key, $instead := $renamed -}}
{{- if hasKey $.Values $key }}{{ fail (printf "the value %s is not of this chart: %s" $key $instead) }}{{ end -}}
{{- end -}}
{{- if and .Values.plugins.existingConfigMap (or .Values.plugins.config .Values.plugins.files) -}}
{{- fail "plugins.existingConfigMap replaces plugins.config and plugins.files: give one or the other" -}}
{{- end -}}
{{- if and .Values.plugins.files (not .Values.plugins.config) -}}
{{- fail "plugins.files has components that no plugins.config names; see docs/plugins.md" -}}
{{- end -}}
{{- if ne (empty .Values.intercept.metadataIPv6) (empty .Values.intercept.listenAddressIPv6) -}}
{{- fail "intercept.metadataIPv6 and intercept.listenAddressIPv6 go together" -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled (not .Values.nmi.prometheusPort) -}}
{{- fail "monitoring.podMonitor needs nmi.prometheusPort (9090 in the old chart): without it metrics are on loopback only" -}}
{{- end -}}
{{- if and (include "podgate.standard" .) .Values.adminsecret -}}
{{- range list "cloud" "subscriptionID" "resourceGroup" "vmType" "tenantID" "clientID" "clientSecret" -}}
{{- if not (get $.Values.adminsecret .) }}{{ fail (printf "adminsecret.%s is missing: once one of its values is given, all are needed" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range (include "podgate.identities" . | fromYaml).list -}}
{{- if not .name }}{{ fail "azureIdentities: an entry of a list needs a name" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Lines on values of the old chart that do nothing here. */}}
{{- define "podgate.retired" -}}
{{- $notes := list -}}
{{- if include "podgate.oldRepository" . }}{{ $notes = append $notes (printf "image.repository=%s: that is the old agent's; podgate's images are used. Set it to your mirror of them." .Values.image.repository) }}{{ end -}}
{{- if .Values.nmi.ipTableUpdateTimeIntervalInSeconds }}{{ $notes = append $notes "nmi.ipTableUpdateTimeIntervalInSeconds: rules are restored as soon as something changes them." }}{{ end -}}
{{- if .Values.nmi.micNamespace }}{{ $notes = append $notes "nmi.micNamespace: no namespace's pods are let through by their name; an AzurePodIdentityException does that." }}{{ end -}}
{{- if include "podgate.is" .Values.nmi.enableConntrackDeletion }}{{ $notes = append $notes "nmi.enableConntrackDeletion: old connections are always cut." }}{{ end -}}
{{- if or .Values.mic.updateUserMSIMaxRetry .Values.mic.updateUserMSIRetryInterval }}{{ $notes = append $notes "mic.updateUserMSIMaxRetry and updateUserMSIRetryInterval: an identity that Azure refuses is left out, and tried again later and later." }}{{ end -}}
{{- if include "podgate.is" .Values.rbac.pspEnabled }}{{ $notes = append $notes "rbac.pspEnabled: Kubernetes has no PodSecurityPolicy any more; label the namespace (namespace.podSecurity)." }}{{ end -}}
{{- if hasKey .Values "installCRDs" }}{{ $notes = append $notes "installCRDs: Helm installs the definitions unless told --skip-crds." }}{{ end -}}
{{- join "\n" $notes -}}
{{- end -}}
