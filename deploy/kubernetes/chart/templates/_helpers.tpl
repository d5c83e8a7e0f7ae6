{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "gateway.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "gateway.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "gateway.dsnSecret" -}}
{{ .Values.postgres.existingSecret | default (printf "%s-postgres" (include "gateway.name" .)) }}
{{- end }}

{{- define "gateway.tokensSecret" -}}
{{ .Values.admin.existingSecret | default (printf "%s-admin-tokens" (include "gateway.name" .)) }}
{{- end }}

{{- define "gateway.declarative" -}}
{{ .Values.declarative.existingConfigMap | default (printf "%s-declarative" (include "gateway.name" .)) }}
{{- end }}

{{/* What is missing, in the chart's own words, before anything is made. */}}
{{- define "gateway.check" -}}
{{- with .Values }}
{{- if and .postgres.enabled (not .postgres.existingSecret) (not .postgres.dsn) }}
{{- fail "postgres.existingSecret and postgres.dsn are empty: one of them must say where Postgres is; or postgres.enabled=false, with declarative.config" }}
{{- end }}
{{- if and (not .postgres.enabled) (not .declarative.existingConfigMap) (not .declarative.config) }}
{{- fail "postgres.enabled=false: want declarative.existingConfigMap or declarative.config" }}
{{- end }}
{{- if and .admin.enabled (not .admin.existingSecret) (not .admin.tokens) }}
{{- fail "admin.existingSecret and admin.tokens are empty: make a token with `gateway token new NAME --file FILE`, or set admin.enabled=false" }}
{{- end }}
{{- if and .autoscaling.enabled (not .autoscaling.cpuPercent) (not .autoscaling.inFlight) }}
{{- fail "autoscaling.cpuPercent and autoscaling.inFlight are 0: want one of them above 0" }}
{{- end }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "autoscaling.minReplicas=%d: want at most maxReplicas, %d" (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- if and .backup.enabled (not .postgres.enabled) }}
{{- fail "backup.enabled=true: want postgres.enabled=true, there is nothing to back up otherwise" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings that the chart makes itself, and the value that says so. */}}
{{- define "gateway.checkSettings" -}}
{{- $own := dict "pg_dsn" "postgres" "database" "postgres.enabled" "declarative_config" "declarative" "admin_tokens_file" "admin"
  "admin_hosts" "admin.hosts" "admin_listen" "admin.enabled" "drain_delay" "drain.delay" "drain_timeout" "drain.timeout"
  "node_name" "the pod's name" "proxy_listen" "port 8000" "status_listen" "port 8100" }}
{{- range $name, $_ := .Values.settings }}
{{- with get $own $name }}
{{- fail (printf "settings.%s: the chart sets it: %s" $name .) }}
{{- end }}
{{- end }}
{{- with .Values.settings.proxy_ssl_listen }}
{{- if not (hasSuffix ":8443" .) }}
{{- fail (printf "settings.proxy_ssl_listen=%q: want port 8443, such as 0.0.0.0:8443; service.httpsPort is what clients use" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The variable with the connection string. */}}
{{- define "gateway.dsnEnv" -}}
- name: GATEWAY_PG_DSN
  valueFrom: {secretKeyRef: {name: {{ include "gateway.dsnSecret" . }}, key: {{ .Values.postgres.secretKey }}}}
{{- end }}
