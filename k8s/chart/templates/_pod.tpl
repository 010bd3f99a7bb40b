{{- /* What all pods share: labels, image, restricted security context, and the parts that values may set. */ -}}

{{- define "capacity.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{- /* Of every object. `part-of` stays what it is: commands and notes find our objects by it. */ -}}
{{- define "capacity.common" -}}
app.kubernetes.io/name: {{ include "capacity.name" . }}
app.kubernetes.io/part-of: capacity
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Of (list $ component). */ -}}
{{- define "capacity.labels" -}}
{{ include "capacity.common" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* What never changes, because the selector of a Deployment cannot. */ -}}
{{- define "capacity.selector" -}}
app.kubernetes.io/name: {{ include "capacity.name" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "capacity.account" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- $values.serviceAccount.name | default (printf "%s-%s" (include "capacity.name" (index . 0)) (index . 1)) }}
{{- end }}

{{- /* Of (list $ image). */ -}}
{{- define "capacity.image" -}}
{{- with index . 1 -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default (index $ 0).Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "capacity.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- if or .Values.image.pullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range .Values.image.pullSecrets }}
  - {name: {{ . }}}
  {{- end }}
  {{- range .Values.imagePullSecrets }}
  - {name: {{ .name }}}
  {{- end }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.priorityClassName | default (ternary "capacity" "" .Values.pods.createPriorityClass) }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "capacity.container" -}}
name: capacity
image: {{ include "capacity.image" (list . .Values.image) }}
{{- include "capacity.contained" . }}
{{- end }}

{{- define "capacity.contained" }}
workingDir: /tmp
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "capacity.extraEnv" }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "capacity.extraVolumes" }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "capacity.extraVolumeMounts" }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
