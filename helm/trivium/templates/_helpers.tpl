{{- define "trivium.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The release's name alone where it already says trivium. */}}
{{- define "trivium.fullname" -}}
{{- $name := include "trivium.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Never changes over a release's life: a deployment's selector cannot. */}}
{{- define "trivium.selectorLabels" -}}
app.kubernetes.io/name: {{ include "trivium.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "trivium.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "trivium.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "trivium.serviceAccountName" -}}
{{- default (ternary (include "trivium.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- /* The ConfigMaps of own policies and of the keys that sign them; names are cut so that they still differ. */}}
{{- define "trivium.policies" -}}
{{- default (printf "%s-policies" (include "trivium.fullname" . | trunc 51 | trimSuffix "-")) .Values.policies.configMap }}
{{- end }}

{{- define "trivium.policyKeys" -}}
{{- printf "%s-policy-keys" (include "trivium.fullname" . | trunc 51 | trimSuffix "-") }}
{{- end }}

{{- define "trivium.metrics" -}}
{{- printf "%s-metrics" (include "trivium.fullname" . | trunc 51 | trimSuffix "-") }}
{{- end }}

{{- define "trivium.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* The restricted Pod Security Standard, and a little more; no value weakens it: without a user, root is still refused. */}}
{{- define "trivium.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "trivium.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
