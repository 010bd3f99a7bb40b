{{- /* What all pods share: labels, image, restricted security context, and the parts that values may set. */ -}}

{{- define "capacity.labels" -}}
app.kubernetes.io/name: capacity
app.kubernetes.io/component: {{ . }}
app.kubernetes.io/part-of: capacity
{{- end }}

{{- define "capacity.selector" -}}
app.kubernetes.io/name: capacity
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "capacity.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
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
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - {name: {{ . }}}
  {{- end }}
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
image: {{ include "capacity.image" . }}
workingDir: /tmp
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: {drop: [ALL]}
{{- end }}
