/** The templates that other programs read: systemd, kubectl, Python's plist reader, a shell. Each is asked where it is on this machine. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { freePorts } from "../support/balancer.ts";
import { temporaryFolder } from "../support/command.ts";
import { CLI, startServer, until } from "../support/server.ts";
import { made, missing, ran } from "./made.ts";

const shared = temporaryFolder();
const MODELS = ["--models", "owner/repo:Q4_K_M,shimmy-tiny"];

const noSystemd = missing("systemd-analyze");
describe.skipIf(noSystemd)(`systemd${noSystemd ? ` (${noSystemd})` : ""}`, () => {
  const folder = temporaryFolder();

  test("verifies the units without a word, and finds little that the service may do", async () => {
    const out = await made(folder, "systemd", "--name", "my-llm", "--replicas", "2", ...MODELS);
    const units = readdirSync(out).filter((file) => !file.endsWith(".md"));
    expect(units.sort()).toEqual(["my-llm-models.service", "my-llm.target", "my-llm@.service"]);
    const verified = await ran(out, "systemd-analyze", ["verify", ...units.map((unit) => join(out, unit))]);
    expect(verified).toEqual({ code: 0, stdout: "", stderr: "" });
    const { stdout } = await ran(out, "systemd-analyze", ["security", "--offline=true", "--no-pager", join(out, "my-llm@.service")]);
    // 10 is a service without any bounds.
    expect(Number(/Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThan(2);
  });
});

interface Named {
  readonly name: string;
}

interface Container extends Named {
  readonly env: readonly unknown[];
  readonly securityContext: unknown;
  readonly volumeMounts: readonly Named[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: unknown };
}

/** What of a set, a service, a monitor and so on the tests look into. */
interface Spec {
  readonly selector: { readonly matchLabels: Record<string, string> };
  readonly podSelector: { readonly matchLabels: Record<string, string> };
  readonly serviceName: string;
  readonly endpoints: ReadonlyArray<{ readonly authorization: { readonly credentials: Named } }>;
  readonly volumeClaimTemplates: ReadonlyArray<{ readonly metadata: Named }>;
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: {
      readonly containers: readonly [Container];
      readonly initContainers: readonly [Container];
      readonly volumes: readonly Named[];
    };
  };
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Named & { readonly labels: Readonly<Record<string, string>> };
  readonly spec: Spec;
}

const noKubectl = missing("kubectl");
describe.skipIf(noKubectl)(`kubernetes${noKubectl ? ` (${noKubectl})` : ""}`, () => {
  const folder = temporaryFolder();
  let out: string;

  async function built(part: "base" | "scaling"): Promise<Manifest[]> {
    out ??= await made(folder, "kubernetes", "--name", "my-llm", "--replicas", "2", ...MODELS);
    writeFileSync(join(out, "kubernetes/base/secret.env"), "SHIMMY_API_KEY=made-by-the-test\n");
    const { code, stdout, stderr } = await ran(out, "kubectl", ["kustomize", `kubernetes/${part}`]);
    expect([code, stderr]).toEqual([0, ""]);
    return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
  }

  const kinds = (manifests: readonly Manifest[]) => manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).sort();

  test("base: a set, its services, a budget, a policy, a secret; only what every cluster knows", async () => {
    expect(kinds(await built("base"))).toEqual([
      "apps/v1 StatefulSet",
      "networking.k8s.io/v1 NetworkPolicy",
      "policy/v1 PodDisruptionBudget",
      "v1 Secret",
      "v1 Service",
      "v1 Service",
    ]);
  });

  test("pods: probes, pulled and verified models, nothing that they do not need", async () => {
    const manifests = await built("base");
    const secret = manifests.find(({ kind }) => kind === "Secret")?.metadata.name;
    const set = manifests.find(({ kind }) => kind === "StatefulSet")!;
    const pod = set.spec.template.spec;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 160,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      initContainers: [{ args: [expect.stringMatching(/^shimmy pull owner\/repo:Q4_K_M \|\| .*\nshimmy verify\n$/s)] }],
      containers: [{ resources: { limits: { memory: "2048Mi" } }, lifecycle: { preStop: { exec: { command: ["sleep", "10"] } } } }],
    });
    const [server] = pod.containers;
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"] as const)
      expect(server[probe]?.httpGet).toEqual({ path: "/health", port: "http" });
    // Kustomize puts a hash behind the name, and knows where it is used.
    expect(secret).toMatch(/^my-llm-\w+$/);
    expect(server.env[0]).toEqual({
      name: "SHIMMY_API_KEY",
      valueFrom: { secretKeyRef: { name: secret, key: "SHIMMY_API_KEY" } },
    });
    for (const container of [...pod.initContainers, ...pod.containers])
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
  });

  test("every selector finds the pods, and volumes are mounted that are there", async () => {
    const manifests = await built("scaling");
    const set = manifests.find(({ kind }) => kind === "StatefulSet")!;
    const { labels } = set.spec.template.metadata;
    const selectors = manifests.flatMap(({ kind, spec }): object[] => {
      if (kind === "Service") return [spec.selector];
      if (kind === "NetworkPolicy") return [spec.podSelector.matchLabels];
      return ["StatefulSet", "PodDisruptionBudget"].includes(kind) ? [spec.selector.matchLabels] : [];
    });
    expect(selectors).toHaveLength(5);
    for (const selector of selectors) expect({ ...labels }).toMatchObject(selector);
    const volumes = [...set.spec.template.spec.volumes, ...set.spec.volumeClaimTemplates.map(({ metadata }) => metadata)];
    const mounted = set.spec.template.spec.containers[0].volumeMounts.map(({ name }) => name);
    expect(volumes.map(({ name }) => name)).toEqual(expect.arrayContaining(mounted));
    const services = manifests.filter(({ kind }) => kind === "Service").map(({ metadata }) => metadata.name);
    expect(services).toContain(set.spec.serviceName);
  });

  test("scaling: on the queue that /metrics tells of, scraped with the key; the number of pods is the autoscaler's", async () => {
    const manifests = await built("scaling");
    const of = (kind: string) => manifests.find((manifest) => manifest.kind === kind)!;
    expect(of("StatefulSet").spec).not.toHaveProperty("replicas");
    expect(of("HorizontalPodAutoscaler").spec).toMatchObject({
      scaleTargetRef: { kind: "StatefulSet", name: of("StatefulSet").metadata.name },
      metrics: [{ type: "Pods", pods: { metric: { name: "shimmy_queue_depth" } } }],
    });
    const server = await startServer({ args: ["--preload", "default"] });
    await until(() => fetch(`${server.url}/health`).then(({ ok }) => ok));
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^shimmy_queue_depth\{model="shimmy-tiny"\} 0$/m);
    await server.stop();
    const monitor = of("ServiceMonitor").spec;
    expect(monitor.endpoints[0]?.authorization.credentials.name).toBe(of("Secret").metadata.name);
    const scraped = manifests.filter(
      ({ kind, metadata }) =>
        kind === "Service" && Object.entries(monitor.selector.matchLabels).every(([key, value]) => metadata.labels[key] === value),
    );
    expect(scraped.map(({ metadata }) => metadata.name)).toEqual(["my-llm"]);
  });
});

const noPython = missing("python3");
test.skipIf(noPython)(`launchd: a property list that Python reads${noPython ? ` (${noPython})` : ""}`, async () => {
  const out = await made(temporaryFolderOnce(), "launchd", ...MODELS);
  const program = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
  const { stdout, stderr } = await ran(out, "python3", ["-c", program, "local.shimmy.plist"]);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toMatchObject({
    Label: "local.shimmy",
    ProgramArguments: ["/bin/sh", "-c", 'exec shimmy serve >> "$HOME/Library/Logs/local.shimmy.log" 2>&1'],
    EnvironmentVariables: { SHIMMY_BIND_ADDRESS: "127.0.0.1:11435" },
    ExitTimeOut: 150,
  });
});

const noTools = missing("bash", "curl", "seq");
test.skipIf(noTools)(`github-actions: the job's own steps pass${noTools ? ` (${noTools})` : ""}`, async () => {
  const port = await freePorts(1);
  const out = await made(temporaryFolderOnce(), "github-actions", "--port", `${port}`);
  // Stands for what the step "Install Shimmy" installs.
  mkdirSync(join(out, "bin"));
  symlinkSync(CLI, join(out, "bin/shimmy"));
  const { jobs } = parse(readFileSync(join(out, ".github/workflows/shimmy.yaml"), "utf8"));
  const steps: ReadonlyArray<{ name?: string; run?: string; env?: Record<string, string> }> = jobs.shimmy.steps;
  const typed = steps.filter(({ run }) => run !== undefined && !run.startsWith("npm install"));
  expect(typed.map(({ name }) => name)).toEqual(["Start Shimmy", "Test", "Stop Shimmy"]);
  for (const { name, run, env } of typed) {
    // As GitHub runs a step.
    const PATH = `${join(out, "bin")}:${process.env.PATH}`;
    const { code, stdout, stderr } = await ran(out, "bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", run!], { PATH, ...env });
    expect([name, code, code === 0 ? "" : `${stdout}${stderr}`]).toEqual([name, 0, ""]);
  }
});

function temporaryFolderOnce(): string {
  const folder = join(shared, `${readdirSync(shared).length}`);
  mkdirSync(folder);
  return folder;
}
