{{- define "gyre.name" -}}
{{- $name := .Release.Name -}}
{{- if contains "gyre" $name }}{{ $name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-gyre" $name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "gyre.labels" -}}
{{ include "gyre.selector" . }}
app.kubernetes.io/part-of: gyre
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gyre.selector" -}}
app.kubernetes.io/name: gyre
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What the restricted profile of Pod Security asks of a Pod, and of each of its containers. */}}
{{- define "gyre.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.runAsUser }}
runAsGroup: {{ .Values.runAsUser }}
fsGroup: {{ .Values.runAsUser }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "gyre.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* What all Pods of the chart share. Takes { root, values } */}}
{{- define "gyre.podSettings" -}}
enableServiceLinks: false
securityContext:
  {{- include "gyre.podSecurity" .root | nindent 2 }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* One of a kind on each node and in each zone where that can be. Takes { root, component } */}}
{{- define "gyre.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "gyre.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
  {{- end }}
{{- end -}}

{{- define "gyre.storeUri" -}}
{{- if .Values.trial.enabled }}s3://{{ .Values.trial.s3.bucket }}/gyre{{ else }}{{ .Values.store.uri }}{{ end -}}
{{- end -}}

{{- define "gyre.storeEndpoint" -}}
{{- if .Values.trial.enabled }}http://{{ include "gyre.name" . }}-trial-s3:{{ .Values.trial.s3.port }}{{ else }}{{ .Values.store.endpoint }}{{ end -}}
{{- end -}}

{{- define "gyre.storeSecret" -}}
{{- if .Values.trial.enabled }}{{ include "gyre.name" . }}-trial-s3{{ else }}{{ .Values.store.credentialsSecret }}{{ end -}}
{{- end -}}

{{- define "gyre.temporalAddress" -}}
{{- if .Values.trial.enabled }}{{ include "gyre.name" . }}-trial-temporal:7233{{ else }}{{ .Values.temporal.address }}{{ end -}}
{{- end -}}

{{/* The variables of the store and of Temporal, for workers and API. */}}
{{- define "gyre.connections" -}}
- { name: GYRE_STORE, value: {{ include "gyre.storeUri" . | quote }} }
- { name: GYRE_PROJECT, value: {{ .Values.project | quote }} }
- { name: AWS_REGION, value: {{ .Values.store.region | quote }} }
{{- with include "gyre.storeEndpoint" . }}
- { name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }} }
- { name: GYRE_STORE_POD_ENDPOINT, value: {{ . | quote }} }
{{- end }}
- { name: GYRE_TEMPORAL_ADDRESS, value: {{ include "gyre.temporalAddress" . | quote }} }
{{- if not .Values.trial.enabled }}
- { name: GYRE_NAMESPACE, value: {{ .Values.temporal.namespace | quote }} }
{{- with .Values.temporal.apiKeySecret }}{{ if .name }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: { name: {{ .name }}, key: {{ .key }} }
{{- end }}{{ end }}
{{- with .Values.temporal.tls }}
{{- if .enabled }}
- { name: TEMPORAL_TLS, value: 'true' }
{{- end }}
{{- with .serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- if .caSecret.name }}
- { name: TEMPORAL_TLS_CA, value: /secrets/temporal-ca/{{ .caSecret.key }} }
{{- end }}
{{- if .clientSecret }}
- { name: TEMPORAL_TLS_CERT, value: /secrets/temporal-client/tls.crt }
- { name: TEMPORAL_TLS_KEY, value: /secrets/temporal-client/tls.key }
{{- end }}
{{- end }}
{{- with .Values.temporal.codecKeysSecret }}{{ if .name }}
- { name: GYRE_CODEC_KEYS_FILE, value: /secrets/codec/{{ .key }} }
{{- end }}{{ end }}
{{- end }}
{{- end -}}

{{- define "gyre.connectionMounts" -}}
{{- if not .Values.trial.enabled }}
{{- if .Values.temporal.tls.caSecret.name }}
- { name: temporal-ca, mountPath: /secrets/temporal-ca, readOnly: true }
{{- end }}
{{- if .Values.temporal.tls.clientSecret }}
- { name: temporal-client, mountPath: /secrets/temporal-client, readOnly: true }
{{- end }}
{{- if .Values.temporal.codecKeysSecret.name }}
- { name: codec, mountPath: /secrets/codec, readOnly: true }
{{- end }}
{{- end }}
{{- end -}}

{{- define "gyre.connectionVolumes" -}}
{{- if not .Values.trial.enabled }}
{{- with .Values.temporal.tls.caSecret.name }}
- name: temporal-ca
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.temporal.tls.clientSecret }}
- name: temporal-client
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.temporal.codecKeysSecret.name }}
- name: codec
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end -}}

{{/* The port in an address, else what is usual for its scheme. */}}
{{- define "gyre.portOf" -}}
{{- $port := regexFind ":[0-9]+$" (. | trimSuffix "/") | trimPrefix ":" -}}
{{- if $port }}{{ $port }}{{ else if hasPrefix "http://" . }}80{{ else }}443{{ end -}}
{{- end -}}

{{- define "gyre.pageHost" -}}
{{- (urlParse .Values.api.pageUrl).hostname -}}
{{- end -}}
