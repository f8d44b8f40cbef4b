/** `shimmy init --template kubernetes`: manifests for kustomize. `base/` runs on any cluster, `scaling/` where Prometheus is. */
import { ShimmyError } from "../../../contract/errors.ts";
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import {
  DRAIN_SECONDS,
  indented,
  isPrivileged,
  listed,
  mebibytes,
  modelVariables,
  NEW_KEY,
  notOfHub,
  ofHub,
  pullLines,
  STOP_SECONDS,
} from "./common.ts";
import { DOCKERIGNORE, dockerfile } from "./docker.ts";
import { scaling } from "./kubernetes-scaling.ts";

export const kubernetes: Template = {
  name: "kubernetes",
  aliases: ["k8s"],
  summary: "kustomize manifests: probes, disruption budget, network policy, verified models, autoscaling on queue depth",
  files: (options) => {
    refuseLongName(options);
    return [
      { path: "Dockerfile", text: dockerfile(options) },
      { path: ".dockerignore", text: DOCKERIGNORE },
      { path: "kubernetes/.gitignore", text: "secret.env\n" },
      { path: "kubernetes/base/kustomization.yaml", text: kustomization(options) },
      { path: "kubernetes/base/statefulset.yaml", text: statefulSet(options) },
      { path: "kubernetes/base/service.yaml", text: services(options) },
      { path: "kubernetes/base/disruption-budget.yaml", text: disruptionBudget(options) },
      { path: "kubernetes/base/network-policy.yaml", text: networkPolicy(options) },
      ...scaling(options),
      { path: "README-kubernetes.md", text: readme(options) },
    ];
  },
};

/** The label controller-revision-hash of a set's pods is its name, a hyphen and ten characters; a label has 63. */
const LONGEST_NAME = 52;

function refuseLongName({ name }: TemplateOptions): void {
  if (name.length > LONGEST_NAME)
    throw new ShimmyError("invalid_value", {
      param: "--name",
      reason: `Kubernetes leaves ${LONGEST_NAME} characters for the name of a set`,
    });
}

/** The key is in a file that git does not get; its hash in the name of the secret restarts the pods when it changes. */
function kustomization({ name, version }: TemplateOptions): string {
  return `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - statefulset.yaml
  - service.yaml
  - disruption-budget.yaml
  - network-policy.yaml
labels:
  - pairs: { app.kubernetes.io/name: ${name} }
    includeSelectors: true
# Where you have pushed the image.
images:
  - name: ${name}
    newName: ${name}
    newTag: "${version}"
secretGenerator:
  - name: ${name}
    envs: [secret.env]
`;
}

const MOUNTS = `          volumeMounts:
            - { name: state, mountPath: /models, subPath: models }
            - { name: state, mountPath: /data, subPath: data }
            - { name: tmp, mountPath: /tmp }`;

const CONTAINER_SECURITY = `          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }`;

function statefulSet(options: TemplateOptions): string {
  const { name, replicas } = options;
  return `# Not a Deployment: each replica keeps a volume of its own, so models are pulled once and the default storage class (one node at a
# time) is enough; files, batches and stored responses stay with the replica that made them.
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: ${name}
spec:
  replicas: ${replicas}
  serviceName: ${name}-replicas
  podManagementPolicy: Parallel
  selector:
    matchLabels: { app.kubernetes.io/component: server }
  template:
    metadata:
      labels: { app.kubernetes.io/component: server }
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # The pause of preStop, the drain, and some time to end the engines.
      terminationGracePeriodSeconds: ${STOP_SECONDS + 10}
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: { type: RuntimeDefault }
${isPrivileged(options) ? `        sysctls: [{ name: net.ipv4.ip_unprivileged_port_start, value: "0" }]\n` : ""}      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: { app.kubernetes.io/component: server }
${options.models.length > 0 ? `${initContainer(options)}\n` : ""}${serverContainer(options)}
      volumes:
        - name: tmp
          emptyDir: { medium: Memory, sizeLimit: 64Mi }
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests: { storage: 20Gi }
`;
}

function initContainer(options: TemplateOptions): string {
  return `      initContainers:
        - name: models
          image: ${options.name}
          command: ["/bin/sh", "-euc"]
          args:
            - |
${indented(pullLines(options), 14)}
          env:
            # For gated repositories; optional.
            - name: HF_TOKEN
              valueFrom:
                secretKeyRef: { name: ${options.name}, key: HF_TOKEN, optional: true }
${resources({ ...options, cpus: Math.min(1, options.cpus) })}
${CONTAINER_SECURITY}
${MOUNTS}`;
}

function serverContainer(options: TemplateOptions): string {
  const { name, port } = options;
  const variables = Object.entries({ ...modelVariables(options), SHIMMY_PRELOAD: "default" }).map(
    ([variable, value]) => `            - { name: ${variable}, value: "${value}" }`,
  );
  return `      containers:
        - name: shimmy
          image: ${name}
          ports:
            - { name: http, containerPort: ${port} }
          env:
            - name: SHIMMY_API_KEY
              valueFrom:
                secretKeyRef: { name: ${name}, key: SHIMMY_API_KEY }
${variables.join("\n")}
${resources(options)}
          # A start that fails ends the process, so this only bounds one that hangs. /health is 503 while the preloaded model loads and while the server drains, and needs no key.
          startupProbe:
            httpGet: { path: /health, port: http }
            periodSeconds: ${START_PERIOD_SECONDS}
            timeoutSeconds: 5
            failureThreshold: ${startSeconds(options) / START_PERIOD_SECONDS}
          readinessProbe:
            httpGet: { path: /health, port: http }
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          # Generous: an engine that crashes is restarted by the server itself.
          livenessProbe:
            httpGet: { path: /health, port: http }
            periodSeconds: 15
            timeoutSeconds: 5
            failureThreshold: 4
          # The balancers hear of the end later than the pod: it still takes requests until they have.
          lifecycle:
            preStop:
              exec: { command: ["sleep", "10"] }
${CONTAINER_SECURITY}
${MOUNTS}`;
}

const START_PERIOD_SECONDS = 5;
/** Of a volume in a network; as much as the memory holds is read through it. */
const SLOW_BYTES_PER_SECOND = 50e6;

/** A multiple of the period, ten minutes at least. */
function startSeconds({ memoryBytes }: TemplateOptions): number {
  return Math.ceil(Math.max(600, memoryBytes / SLOW_BYTES_PER_SECOND) / START_PERIOD_SECONDS) * START_PERIOD_SECONDS;
}

/** Memory is not overcommitted: the model is read into it whole. */
function resources(options: TemplateOptions): string {
  const { cpus } = options;
  return `          resources:
            requests: { cpu: "${cpus}", memory: ${mebibytes(options)}Mi }
            limits: { cpu: "${cpus}", memory: ${mebibytes(options)}Mi }`;
}

function services({ name, port }: TemplateOptions): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
  labels: { app.kubernetes.io/component: server }
spec:
  selector: { app.kubernetes.io/component: server }
  # A client stays with the replica that knows its prompts, files and stored responses. If all clients come through one proxy, take this
  # out and hash there.
  sessionAffinity: ClientIP
  ports:
    - { name: http, port: ${port}, targetPort: http }
---
# Names for each replica: ${name}-0.${name}-replicas
apiVersion: v1
kind: Service
metadata:
  name: ${name}-replicas
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: { app.kubernetes.io/component: server }
  ports:
    - { name: http, port: ${port}, targetPort: http }
`;
}

function disruptionBudget({ name }: TemplateOptions): string {
  return `# One at a time: with one replica this allows a drain of its node and a short pause; minAvailable: 1 would block the drain for ever.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: ${name}
spec:
  maxUnavailable: 1
  # Else pods that are not ready could not be moved while more than one is not.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: { app.kubernetes.io/component: server }
`;
}

function networkPolicy({ name }: TemplateOptions): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}
spec:
  podSelector:
    matchLabels: { app.kubernetes.io/component: server }
  policyTypes: [Ingress, Egress]
  ingress:
    # The pods of this namespace, and Prometheus in "monitoring".
    - from:
        - podSelector: {}
        - namespaceSelector:
            matchLabels: { kubernetes.io/metadata.name: monitoring }
      ports:
        - { port: http, protocol: TCP }
  egress:
    - to:
        - namespaceSelector: {}
          podSelector:
            matchLabels: { k8s-app: kube-dns }
        # The cache of DNS on the node, where there is one.
        - ipBlock: { cidr: 169.254.20.10/32 }
      ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
    # The hub, by HTTPS; nothing inside of the cluster, and no metadata service of a cloud.
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 100.64.0.0/10]
        - ipBlock:
            cidr: "::/0"
            except: ["fc00::/7", "fe80::/10"]
      ports:
        - { port: 443, protocol: TCP }
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, version, models, replicas, memoryReason } = options;
  return `# ${name}: Shimmy on Kubernetes

\`\`\`sh
docker build -t ${name}:${version} .       # push it, and name its place in kubernetes/base/kustomization.yaml; on kind: kind load docker-image ${name}:${version}
(umask 077; printf 'SHIMMY_API_KEY=%s\\n' ${NEW_KEY} > kubernetes/base/secret.env)
kubectl apply -k kubernetes/base
kubectl rollout status statefulset/${name}
kubectl port-forward service/${name} ${port} &
curl http://127.0.0.1:${port}/health
\`\`\`

Kubernetes 1.27 or later. \`kubernetes/base/secret.env\` holds the key (and HF_TOKEN for gated repositories) and is ignored by git.
The image installs \`shimmy@${version}\` from npm's registry, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies here.

- **Pods.** A StatefulSet of ${replicas}: each replica has its own volume of 20 GiB (\`kubernetes/base/statefulset.yaml\`), from the default storage class. User 1000, read-only root, no capabilities, no service account.
- **Models.** ${models.length > 0 ? `An init container pulls ${listed({ models: ofHub(options) })} and compares every byte with its digest; a pod with a damaged model does not start.${notOfHub(options, "the volume of each replica")}` : "The embedded shimmy-tiny answers; `shimmy init --template kubernetes --models owner/repo:Q4_K_M` adds an init container that pulls and verifies."}
- **Limits.** ${memoryReason} Requests and limits are the same: a model is in memory whole.
- **Probes.** All on /health. The model is loaded before a pod is ready; a start may take ${Math.round(startSeconds(options) / 60)} minutes.
- **Leaving.** preStop waits 10 s until nobody sends any more, then answers finish for up to ${DRAIN_SECONDS} s. The disruption budget lets one pod go at a time.
- **Network.** Pods of this namespace and Prometheus in \`monitoring\` may ask; out go DNS and HTTPS to public addresses, for the hub. An Ingress controller in another namespace needs a line in \`kubernetes/base/network-policy.yaml\`. The network plugin must know policies.
- **Streams.** Behind an Ingress of nginx: annotations \`nginx.ingress.kubernetes.io/proxy-buffering: "off"\` and \`proxy-read-timeout: "3600"\`.

## Autoscaling

\`kubernetes/scaling/\` needs the Prometheus Operator and prometheus-adapter. kube-prometheus-stack looks only at monitors that carry the label of its own
release: add \`labels: { release: RELEASE }\` to \`kubernetes/scaling/service-monitor.yaml\`, or set \`prometheus.prometheusSpec.serviceMonitorSelectorNilUsesHelmValues=false\`.

\`\`\`sh
helm upgrade --install prometheus-adapter prometheus-community/prometheus-adapter -n monitoring -f kubernetes/scaling/prometheus-adapter.values.yaml
kubectl apply -k kubernetes/scaling                 # instead of base
\`\`\`

It scrapes /metrics with the key, and adds pods while on average more than four requests wait in each (\`shimmy_queue_depth\`), up to ${replicas * 4}. A pod that
is new pulls its models first, so growth takes minutes, and shrinking waits for ten. A client
stays with its replica while it comes back within three hours, so new pods take the clients that are new.
`;
}
