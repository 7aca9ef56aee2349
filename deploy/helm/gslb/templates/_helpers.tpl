{{/* What selects the pods of a release. */}}
{{- define "gslb.selector" -}}
app.kubernetes.io/name: gslb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Names are short enough for what Kubernetes appends to them. */}}
{{- define "gslb.name" -}}
{{- if contains "gslb" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-gslb" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}
