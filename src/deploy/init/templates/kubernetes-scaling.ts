/** The part of the kubernetes template that needs Prometheus: scraping, the metric of the queue, the autoscaler. */
import type { TemplateOptions } from "../options.ts";
import type { TemplateFile } from "../template.ts";

export function scaling(options: TemplateOptions): readonly TemplateFile[] {
  return [
    { path: "kubernetes/scaling/kustomization.yaml", text: kustomization(options) },
    { path: "kubernetes/scaling/name-references.yaml", text: NAME_REFERENCES },
    { path: "kubernetes/scaling/service-monitor.yaml", text: serviceMonitor(options) },
    { path: "kubernetes/scaling/autoscaler.yaml", text: autoscaler(options) },
    { path: "kubernetes/scaling/prometheus-adapter.values.yaml", text: adapterValues() },
  ];
}

function kustomization({ name }: TemplateOptions): string {
  return `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../base
  - service-monitor.yaml
  - autoscaler.yaml
patches:
  # The autoscaler says how many.
  - target: { kind: StatefulSet, name: ${name} }
    patch: |
      - op: remove
        path: /spec/replicas
configurations:
  - name-references.yaml
`;
}

/** Kustomize knows where its own kinds name a secret, and not where those of the Prometheus Operator do. */
const NAME_REFERENCES = `nameReference:
  - kind: Secret
    version: v1
    fieldSpecs:
      - kind: ServiceMonitor
        path: spec/endpoints/authorization/credentials/name
`;

function serviceMonitor({ name }: TemplateOptions): string {
  return `apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: ${name}
spec:
  selector:
    matchLabels: { app.kubernetes.io/name: ${name}, app.kubernetes.io/component: server }
  endpoints:
    - port: http
      path: /metrics
      interval: 15s
      authorization:
        type: Bearer
        credentials: { name: ${name}, key: SHIMMY_API_KEY }
`;
}

function autoscaler({ name, replicas }: TemplateOptions): string {
  return `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: ${name}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: StatefulSet, name: ${name} }
  minReplicas: ${replicas}
  maxReplicas: ${replicas * 4}
  metrics:
    - type: Pods
      pods:
        metric: { name: shimmy_queue_depth }
        target: { type: AverageValue, averageValue: "4" }
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 30
      policies:
        - { type: Percent, value: 100, periodSeconds: 60 }
    # A pod that goes takes its prompt cache with it.
    scaleDown:
      stabilizationWindowSeconds: 600
      policies:
        - { type: Pods, value: 1, periodSeconds: 120 }
`;
}

function adapterValues(): string {
  return `# Values of the chart prometheus-community/prometheus-adapter.
prometheus:
  url: http://prometheus-operated.monitoring.svc
  port: 9090
rules:
  default: false
  custom:
    # Of all models of a pod.
    - seriesQuery: 'shimmy_queue_depth{namespace!="",pod!=""}'
      resources:
        overrides:
          namespace: { resource: namespace }
          pod: { resource: pod }
      name: { matches: shimmy_queue_depth }
      metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
`;
}
