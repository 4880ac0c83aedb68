{{- define "teal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 54 characters, so that -headless fits. */}}
{{- define "teal.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- $name := include "teal.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "teal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "teal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "teal.labels" -}}
{{ include "teal.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: teal
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* The pods of the proxy, not those of `helm test`. */}}
{{- define "teal.podLabels" -}}
{{ include "teal.selectorLabels" . }}
app.kubernetes.io/component: proxy
{{- end }}

{{- define "teal.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "teal.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "teal.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "teal.replicas" -}}
{{- if kindIs "invalid" .Values.replicas }}{{ ternary 3 1 (not (empty .Values.etcd.urls)) }}{{ else }}{{ .Values.replicas }}{{ end }}
{{- end }}

{{- define "teal.shutdownDelay" -}}
{{- if kindIs "invalid" .Values.shutdownDelaySeconds }}{{ ternary 10 0 (not (empty .Values.etcd.urls)) }}{{ else }}{{ .Values.shutdownDelaySeconds }}{{ end }}
{{- end }}

{{/* Whether there is a state to keep on a volume; etcd has it otherwise. */}}
{{- define "teal.hasState" -}}
{{- if and .Values.persistence.enabled (empty .Values.etcd.urls) }}true{{ end }}
{{- end }}

{{/* Settings that contradict each other. teal itself refuses the rest. */}}
{{- define "teal.validate" -}}
{{- $engines := .Values.engines }}
{{- $etcd := .Values.etcd }}
{{- if and (gt (int (include "teal.replicas" .)) 1) (not $etcd.urls) }}
{{- fail (printf "replicas: %s need etcd.urls; teals without etcd are switches that contradict each other" (include "teal.replicas" .)) }}
{{- end }}
{{- if and $engines.upstream (or $engines.blue $engines.green) }}
{{- fail "engines: expected either upstream, or blue and green" }}
{{- end }}
{{- if ne (empty $engines.blue) (empty $engines.green) }}
{{- fail "engines: blue needs green, and green needs blue" }}
{{- end }}
{{- if and $etcd.urls (not (or $engines.upstream $engines.blue)) }}
{{- fail "etcd.urls: expected engines.upstream, or engines.blue and engines.green; the built-in engine has one instance" }}
{{- end }}
{{- if ne (empty $etcd.user) (empty $etcd.passwordSecret) }}
{{- fail "etcd: user needs passwordSecret, and passwordSecret needs user" }}
{{- end }}
{{- if and .Values.tls.clientCaSecret (not .Values.tls.secret) }}
{{- fail "tls: clientCaSecret needs secret" }}
{{- end }}
{{- if and .Values.test.rehearse .Values.tls.clientCaSecret (not .Values.test.clientSecret) }}
{{- fail "test.rehearse: tls.clientCaSecret needs test.clientSecret, the certificate of a client" }}
{{- end }}
{{- end }}

{{/* Files from Secrets: the name of the volume, which is also its folder below /etc/teal, and the Secret. */}}
{{- define "teal.secrets" -}}
admin: {{ required "admin.tokenSecret: expected the name of a Secret with the key token" .Values.admin.tokenSecret | quote }}
{{- with .Values.tls.secret }}
tls: {{ . | quote }}
{{- end }}
{{- with .Values.tls.clientCaSecret }}
client-ca: {{ . | quote }}
{{- end }}
{{- with .Values.engines.tls.caSecret }}
engine-ca: {{ . | quote }}
{{- end }}
{{- with .Values.engines.tls.clientSecret }}
engine-tls: {{ . | quote }}
{{- end }}
{{- with .Values.etcd.tls.caSecret }}
etcd-ca: {{ . | quote }}
{{- end }}
{{- with .Values.etcd.tls.clientSecret }}
etcd-tls: {{ . | quote }}
{{- end }}
{{- with .Values.etcd.passwordSecret }}
etcd-password: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "teal.args" -}}
- --config=/etc/teal/config/teal.toml
- --listen={{ .Values.bindAddress }}:50051
- --admin={{ .Values.bindAddress }}:50061
- --threads={{ int .Values.threads }}
{{- with .Values.tls.secret }}
- --tls-cert=/etc/teal/tls/tls.crt
- --tls-key=/etc/teal/tls/tls.key
{{- end }}
{{- with .Values.tls.clientCaSecret }}
- --client-ca=/etc/teal/client-ca/ca.crt
{{- end }}
{{- with .Values.engines }}
{{- with .upstream }}
- {{ printf "--upstream=%s" . | quote }}
{{- end }}
{{- with .blue }}
- {{ printf "--blue=%s" . | quote }}
{{- end }}
{{- with .green }}
- {{ printf "--green=%s" . | quote }}
{{- end }}
{{- if eq .authority "engine" }}
- --upstream-authority=engine
{{- end }}
{{- with .tls.caSecret }}
- --upstream-ca=/etc/teal/engine-ca/ca.crt
{{- end }}
{{- with .tls.clientSecret }}
- --upstream-cert=/etc/teal/engine-tls/tls.crt
- --upstream-key=/etc/teal/engine-tls/tls.key
{{- end }}
{{- with .tls.serverName }}
- {{ printf "--upstream-name=%s" . | quote }}
{{- end }}
{{- end }}
{{- if .Values.etcd.urls }}
- {{ printf "--etcd=%s" (join "," .Values.etcd.urls) | quote }}
- {{ printf "--etcd-prefix=%s" (default (printf "%s/%s/" .Release.Namespace (include "teal.fullname" .)) .Values.etcd.prefix) | quote }}
{{- with .Values.etcd.tls.caSecret }}
- --etcd-ca=/etc/teal/etcd-ca/ca.crt
{{- end }}
{{- with .Values.etcd.tls.clientSecret }}
- --etcd-cert=/etc/teal/etcd-tls/tls.crt
- --etcd-key=/etc/teal/etcd-tls/tls.key
{{- end }}
{{- with .Values.etcd.user }}
- {{ printf "--etcd-user=%s" . | quote }}
- --etcd-password-file=/etc/teal/etcd-password/password
{{- end }}
{{- end }}
{{- if include "teal.hasState" . }}
- --state=/var/lib/teal/state
{{- end }}
- --shutdown-delay={{ include "teal.shutdownDelay" . }}s
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
