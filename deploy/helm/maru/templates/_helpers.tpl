{{- define "maru.name" -}}
{{- if contains "maru" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-maru" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "maru.selector" -}}
app.kubernetes.io/name: maru
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "maru.labels" -}}
{{ include "maru.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* The configuration file of every process, from what the values say and what they add. */}}
{{- define "maru.config" -}}
{{- $tree := dict
  "tenancy" (dict "missing_header" .Values.tenancy.missingHeader)
  "runtime_config" (dict "file" "/etc/maru/runtime.yaml") -}}
{{- if .Values.s3.bucketName }}
{{- $s3 := dict "bucket_name" .Values.s3.bucketName "region" .Values.s3.region }}
{{- with .Values.s3.endpoint }}{{ $_ := set $s3 "endpoint" . }}{{ end }}
{{- $_ := set $tree "bucket" (dict "backend" "s3" "s3" $s3) }}
{{- else if ne .Values.mode "all" }}
{{- fail "s3.bucketName is wanted: the processes of a cluster share one bucket" }}
{{- end }}
{{- if ne .Values.mode "all" }}
{{- if ne (int .Values.cluster.replicationFactor) (len .Values.zones) }}
{{- fail "cluster.replicationFactor is not the number of zones: a partition has an ingester in each" }}
{{- end }}
{{- $_ := set $tree "cluster" (dict "id" .Values.cluster.id "replication_factor" (int .Values.cluster.replicationFactor)) }}
{{- end }}
{{- if eq .Values.mode "kafka" }}
{{- $kafka := .Values.kafka }}
{{- if not $kafka.brokers }}{{ fail "kafka.brokers is wanted for mode kafka" }}{{ end }}
{{- if gt (int .Values.ingester.replicasPerZone) (int $kafka.partitions) }}
{{- fail "ingester.replicasPerZone is greater than kafka.partitions: some would have nothing to do" }}
{{- end }}
{{- if and (ne $kafka.saslMechanism "none") (not $kafka.existingSecret) }}
{{- fail "kafka.existingSecret is wanted for kafka.saslMechanism: it holds the username and the password" }}
{{- end }}
{{- $_ := set $tree "ingest" (dict "log" "kafka") }}
{{- $_ := set $tree "kafka" (dict
  "brokers" (join "," $kafka.brokers)
  "topic" $kafka.topic
  "partitions" (int $kafka.partitions)
  "replication_factor" (int $kafka.replicationFactor)
  "min_insync_replicas" (int $kafka.minInsyncReplicas)
  "sasl" (dict "mechanism" $kafka.saslMechanism)) }}
{{- end }}
{{- toYaml (mergeOverwrite $tree (deepCopy .Values.config)) }}
{{- end }}

{{- define "maru.secretEnv" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: { name: {{ .secret }}, key: {{ .key }} }
{{ end }}

{{- /*
The pod of one room. Takes: root; room; values (those of the room); args; zone (of an ingester, else absent); service (the headless
service that gives the pod a lasting name, else absent); volume: whether `data` is a claim of a StatefulSet.
*/}}
{{- define "maru.pod" -}}
{{- $root := .root }}{{ $v := $root.Values }}
metadata:
  labels:
    {{- include "maru.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .room }}
    {{- with .zone }}
    maru/zone: {{ .name }}
    {{- end }}
  annotations:
    checksum/config: {{ include "maru.config" $root | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "maru.name" $root }}
  automountServiceAccountToken: false
  # Maru reads MARU_*, and so would what Kubernetes says of services.
  enableServiceLinks: false
  {{- with $v.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  # preStop, then the 30 s that Maru gives itself.
  terminationGracePeriodSeconds: 60
  {{- with $v.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  affinity:
    {{- if and .zone .zone.topologyZone }}
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchExpressions:
              - { key: topology.kubernetes.io/zone, operator: In, values: [{{ .zone.topologyZone | quote }}] }
    {{- end }}
    podAntiAffinity:
      {{- if eq $v.antiAffinity "required" }}
      requiredDuringSchedulingIgnoredDuringExecution:
        - {{- include "maru.antiAffinityTerm" . | nindent 10 }}
      {{- else }}
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm: {{- include "maru.antiAffinityTerm" . | nindent 12 }}
      {{- end }}
  {{- if not .zone }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "maru.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ .room }}
  {{- end }}
  containers:
    - name: maru
      image: {{ printf "%s:%s" $v.image.repository ($v.image.tag | default $root.Chart.AppVersion) }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args:
        - --target={{ .room }}
        - --config.file=/etc/maru/config.yaml
        {{- with .zone }}
        - --cluster.zone={{ .name }}
        {{- end }}
        {{- if eq .room "querier" }}
        - --query.frontend-addresses={{ include "maru.name" $root }}-query-frontend-grpc:9095
        {{- end }}
      env:
        - name: POD
          valueFrom: { fieldRef: { fieldPath: metadata.name } }
        {{- if ne .room "all" }}
        # Its number at the end is the partition of an ingester.
        - { name: MARU_CLUSTER_INSTANCE, value: $(POD) }
        {{- if .service }}
        - name: NAMESPACE
          valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
        - { name: MARU_CLUSTER_ADVERTISE_HOST, value: $(POD).{{ .service }}.$(NAMESPACE).svc }
        {{- else }}
        - name: MARU_CLUSTER_ADVERTISE_HOST
          valueFrom: { fieldRef: { fieldPath: status.podIP } }
        {{- end }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_CLUSTER_SECRET" "secret" $v.cluster.existingSecret "key" "secret") | nindent 8 }}
        {{- with $v.redis.existingSecret }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_REDIS_URL" "secret" . "key" "url") | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with $v.s3.existingSecret }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_BUCKET_S3_ACCESS_KEY_ID" "secret" . "key" "access-key-id") | nindent 8 }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_BUCKET_S3_SECRET_ACCESS_KEY" "secret" . "key" "secret-access-key") | nindent 8 }}
        {{- end }}
        {{- if and (eq $v.mode "kafka") $v.kafka.existingSecret }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_KAFKA_SASL_USERNAME" "secret" $v.kafka.existingSecret "key" "username") | nindent 8 }}
        {{- include "maru.secretEnv" (dict "variable" "MARU_KAFKA_SASL_PASSWORD" "secret" $v.kafka.existingSecret "key" "password") | nindent 8 }}
        {{- end }}
        {{- with $v.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - { name: http, containerPort: 9009 }
        {{- if ne .room "all" }}
        - { name: grpc, containerPort: 9095 }
        {{- end }}
      # What restores its memory answers, and says in /ready how far it is: only one that does not answer at all is started anew.
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /ready, port: http }
        periodSeconds: 5
        timeoutSeconds: 3
      # Drain: who sends to it hears of its end first, and what is on its way is answered.
      lifecycle: { preStop: { sleep: { seconds: 10 } } }
      resources: {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: data, mountPath: /data }
        - { name: config, mountPath: /etc/maru, readOnly: true }
        {{- with $v.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "maru.name" $root }} }
    {{- if not .volume }}
    - { name: data, emptyDir: {} }
    {{- end }}
    {{- with $v.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- /* Not beside pods of the same kind; an ingester not beside those of other zones, whose loss together would be one too many. */}}
{{- define "maru.antiAffinityTerm" -}}
topologyKey: kubernetes.io/hostname
labelSelector:
  matchLabels:
    {{- include "maru.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .room }}
  {{- with .zone }}
  matchExpressions:
    - { key: maru/zone, operator: NotIn, values: [{{ .name }}] }
  {{- end }}
{{- end }}

{{- define "maru.claims" -}}
volumeClaimTemplates:
  - metadata: { name: data }
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .className }}
      storageClassName: {{ . }}
      {{- end }}
      resources: { requests: { storage: {{ .size }} } }
{{- end }}
