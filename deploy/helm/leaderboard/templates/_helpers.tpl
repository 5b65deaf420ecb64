{{- define "leaderboard.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component: (list $ "query"). */}}
{{- define "leaderboard.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of an object of a component: (list $ "query"). */}}
{{- define "leaderboard.labels" -}}
{{- $root := index . 0 -}}
{{ include "leaderboard.selector" . }}
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* The consumer group as the projector makes it. */}}
{{- define "leaderboard.group" -}}
{{- $p := .Values.projector -}}
{{- if gt (int $p.generation) 1 -}}{{ $p.group }}-{{ int $p.generation }}{{- else -}}{{ $p.group }}{{- end -}}
{{- end -}}

{{- define "leaderboard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "leaderboard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "leaderboard.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "leaderboard.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Variables of the TLS settings of a server: (list "KAFKA" .Values.kafka.tls). */}}
{{- define "leaderboard.tlsEnvironment" -}}
{{- $prefix := index . 0 -}}
{{- $tls := index . 1 -}}
{{- $path := printf "/etc/leaderboard/%s-tls" (lower $prefix) -}}
{{- if $tls.enabled }}
- {name: {{ $prefix }}_TLS, value: "true"}
{{- if $tls.secret }}
- {name: {{ $prefix }}_TLS_CA, value: {{ $path }}/ca.crt}
{{- if $tls.clientCertificate }}
- {name: {{ $prefix }}_TLS_CERT, value: {{ $path }}/tls.crt}
- {name: {{ $prefix }}_TLS_KEY, value: {{ $path }}/tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "leaderboard.redisEnvironment" -}}
{{- $redis := .Values.redis -}}
- {name: REDIS_ADDRS, value: {{ join "," $redis.addrs | quote }}}
{{- if $redis.cluster }}
- {name: REDIS_CLUSTER, value: "true"}
{{- end }}
{{- with $redis.sentinelMaster }}
- {name: REDIS_SENTINEL_MASTER, value: {{ quote . }}}
{{- end }}
{{- if $redis.db }}
- {name: REDIS_DB, value: {{ $redis.db | int | quote }}}
{{- end }}
{{- with $redis.username }}
- {name: REDIS_USERNAME, value: {{ quote . }}}
{{- end }}
{{- if $redis.secret }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $redis.secret }}, key: {{ $redis.passwordKey }}}}
{{- end }}
{{- include "leaderboard.tlsEnvironment" (list "REDIS" $redis.tls) }}
{{- end -}}

{{- define "leaderboard.kafkaEnvironment" -}}
{{- $kafka := .Values.kafka -}}
- {name: KAFKA_BROKERS, value: {{ join "," $kafka.brokers | quote }}}
- {name: KAFKA_ACTIVITIES_TOPIC, value: {{ $kafka.topics.activities | quote }}}
- {name: KAFKA_CATALOG_TOPIC, value: {{ $kafka.topics.catalog | quote }}}
- {name: KAFKA_PROFILES_TOPIC, value: {{ $kafka.topics.profiles | quote }}}
- {name: KAFKA_DEADLETTERS_TOPIC, value: {{ $kafka.topics.deadLetters | quote }}}
- {name: KAFKA_ERASURES_TOPIC, value: {{ $kafka.topics.erasures | quote }}}
- {name: KAFKA_PARTITIONS, value: {{ $kafka.partitions | int | quote }}}
{{- with $kafka.sasl }}
{{- if .mechanism }}
- {name: KAFKA_SASL_MECHANISM, value: {{ .mechanism }}}
- name: KAFKA_SASL_USER
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .userKey }}}}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .passwordKey }}}}
{{- end }}
{{- end }}
{{- include "leaderboard.tlsEnvironment" (list "KAFKA" $kafka.tls) }}
{{- end -}}

{{/* A mount of the TLS files of a server: (list "redis" .Values.redis.tls). */}}
{{- define "leaderboard.tlsMount" -}}
{{- $tls := index . 1 -}}
{{- if and $tls.enabled $tls.secret }}
- {name: {{ index . 0 }}-tls, mountPath: /etc/leaderboard/{{ index . 0 }}-tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "leaderboard.tlsVolume" -}}
{{- $tls := index . 1 -}}
{{- if and $tls.enabled $tls.secret }}
- name: {{ index . 0 }}-tls
  secret: {secretName: {{ $tls.secret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/* Where the pods of a component go: (list $ "query"). */}}
{{- define "leaderboard.placement" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "leaderboard.selector" . | nindent 8 }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An egress rule: (list addresses ports peers). The ports are those of the addresses where none are given. */}}
{{- define "leaderboard.egress" -}}
{{- $ports := index . 1 -}}
{{- if not $ports -}}
{{- range index . 0 }}{{ $ports = append $ports (regexFind "[0-9]+$" . | int) }}{{ end -}}
{{- end -}}
- ports:
    {{- range uniq $ports }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
  {{- with index . 2 }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
