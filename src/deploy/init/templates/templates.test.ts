/** What every template of `shimmy init` keeps to, and what the structure of its files must be. Programs read them in test/deploy/. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { templateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { TEMPLATES } from "./index.ts";

const DEFAULTS = { port: 11_435, memoryBytes: 2 ** 31, memoryReason: "Estimated from the model.", cpus: 2, version: "0.1.0" };
const names = fc
  .stringMatching(/^[a-z]([a-z\d-]{0,50}[a-z\d])?$/)
  .filter((name) => !/^(y|n|yes|no|on|off|true|false|null|root)$/.test(name));
const models = fc.array(fc.constantFrom("owner/repo:Q4_K_M", "owner/repo@main", "shimmy-tiny", "a/b/c.gguf", "qwen3:8b"), { maxLength: 3 });
const options = fc
  .record({
    name: names,
    models,
    port: fc.integer({ min: 1024, max: 60_000 }),
    replicas: fc.integer({ min: 1, max: 9 }),
    cpus: fc.constantFrom("0.1", "1.5", "8"),
  })
  .map(({ name, models, port, replicas, cpus }) =>
    templateOptions({ name, models, port: `${port}`, replicas: `${replicas}`, cpus, memory: "512Mi" }, DEFAULTS),
  );

type Flags = Parameters<typeof templateOptions>[0];

function files(name: string, flags: Flags = {}): Map<string, string> {
  const template = TEMPLATES.find((each) => each.name === name) as Template;
  return new Map(template.files(templateOptions(flags, DEFAULTS)).map(({ path, text }) => [path, text]));
}

function parsed(text: string): unknown[] {
  // CloudFormation's own tags are unknown to YAML.
  return parseAllDocuments(text.replace(/!(Ref|GetAtt) /g, ""), { merge: true }).map((document) => {
    expect([...document.errors, ...document.warnings]).toEqual([]);
    return document.toJS() as unknown;
  });
}

function yaml<T>(name: string, path: string, flags: Flags = {}): T {
  return parsed(files(name, flags).get(path) ?? "")[0] as T;
}

test("all thirteen are there, each with its own name", () => {
  const typed = TEMPLATES.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(new Set(typed).size).toBe(typed.length);
  expect(TEMPLATES.map(({ name }) => name).sort()).toEqual([
    ...["docker", "express", "fastapi", "fastify", "fly", "github-actions", "haproxy", "kubernetes", "lambda", "launchd", "nginx"],
    ...["railway", "systemd"],
  ]);
});

describe.each(TEMPLATES)("$name", (template) => {
  test("whatever the options: a README, paths of its own, whole text, YAML and JSON that can be read, no secret", () => {
    fc.assert(
      fc.property(options, (given) => {
        const written = template.files(given);
        const paths = written.map(({ path }) => path);
        expect(new Set(paths).size).toBe(paths.length);
        expect(paths).toContain(`README-${template.name}.md`);
        for (const { path, text } of written) {
          expect(path).toMatch(/^(?!\/)(?!.*\.\.)[\w@./-]+$/);
          expect(text).toMatch(/[^\n]\n$/);
          expect(text).not.toMatch(/undefined|NaN|\[object/);
          expect(text).not.toMatch(/[ \t]$/m);
          if (/\.ya?ml$/.test(path)) parsed(text);
          if (path.endsWith(".json")) JSON.parse(text);
          // A key is made when it is needed: nothing in a file looks like one.
          expect(text).not.toMatch(/(api[_-]?key|token|password)["']?\s*[:=]\s*["']?[\w-]{12,}/i);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("docker", () => {
  const dockerfile = files("docker").get("Dockerfile") ?? "";

  test("the image runs as a number that is not root, by exec, on glibc, and asks after itself without curl", () => {
    expect(dockerfile).toMatch(/^FROM node:\d+-bookworm-slim$/m);
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    expect(dockerfile.indexOf("USER")).toBeLessThan(dockerfile.indexOf("ENTRYPOINT"));
    expect(dockerfile).toMatch(/^ENTRYPOINT \["shimmy"\]$/m);
    expect(dockerfile).toMatch(/HEALTHCHECK .*\\\n +CMD \["node", "-e"/);
    expect(dockerfile).not.toMatch(/SHIMMY_API_KEY=/);
  });

  test("compose: read-only, without capabilities, limited, given time to drain, and only with a key", () => {
    const flags = { models: ["owner/repo:Q4_K_M"], replicas: "2", port: "9000" };
    const { services, volumes } = yaml<{ services: Record<string, Record<string, unknown>>; volumes: object }>(
      "docker",
      "compose.yaml",
      flags,
    );
    expect(Object.keys(services)).toEqual(["shimmy-1", "shimmy-2", "pull"]);
    expect(services["shimmy-2"]).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      stop_grace_period: "150s",
      ports: ["127.0.0.1:9001:9000"],
      environment: { SHIMMY_API_KEY: expect.stringMatching(/^\$\{SHIMMY_API_KEY:\?/) },
      depends_on: { pull: { condition: "service_completed_successfully" } },
      deploy: { resources: { limits: { cpus: "2", memory: "2048M", pids: 512 } } },
    });
    expect(services.pull?.command).toEqual(["shimmy pull owner/repo:Q4_K_M || shimmy show owner/repo:Q4_K_M > /dev/null\nshimmy verify\n"]);
    expect(Object.keys(volumes)).toEqual(["models", "data-shimmy-1", "data-shimmy-2"]);
  });
});

test("lambda: streamed, with a key that is a parameter, and memory for the processors that were asked for", () => {
  const text = files("lambda", { cpus: "2" }).get("template.yaml") ?? "";
  const [{ Parameters, Resources }] = parsed(text) as [Record<string, Record<string, unknown>>];
  expect(Parameters?.ApiKey).toMatchObject({ NoEcho: true });
  expect(Resources?.Shimmy).toMatchObject({
    Type: "AWS::Serverless::Function",
    Properties: { PackageType: "Image", MemorySize: 3538, FunctionUrlConfig: { InvokeMode: "RESPONSE_STREAM" } },
  });
});

test("railway, fly: the volume is given away before anything is pulled, and root is dropped for good", () => {
  for (const name of ["railway", "fly"]) {
    const script = files(name, { models: ["owner/repo:Q4_K_M"] }).get("start.sh") ?? "";
    expect(script).toMatch(/exec setpriv --reuid=node .*--no-new-privs.*shimmy pull.*\nexec shimmy serve\n$/s);
  }
});

test("railway: the steps bring what the program imports before it is applied, beside the file, where Node looks for it", () => {
  const steps = /```sh\n(.*?)```/s.exec(files("railway", {}).get("README-railway.md") ?? "")?.[1]?.split("\n") ?? [];
  const at = (start: string) => steps.findIndex((step) => step.startsWith(start));
  expect(at("npm install --prefix .railway railway@3")).toBeGreaterThan(-1);
  expect(at("railway config apply")).toBeGreaterThan(at("npm install"));
});

test("railway: the program makes a service with the key that is set, a volume, health check, drain and limits", () => {
  const text = files("railway", { cpus: "2", port: "9000" }).get(".railway/railway.ts") ?? "";
  const [, imported = "", body = ""] = /^.*import \{ (.*) \} from "railway\/iac";\n\nexport default (.*);\n$/s.exec(text) ?? [];
  const kind = (type: string) => (name: string, config?: object) => ({ type, name, ...config });
  const stubs: Record<string, unknown> = {
    defineRailway: (program: () => unknown) => program(),
    preserve: () => "kept",
    ...Object.fromEntries(["project", "service", "volume"].map((type) => [type, kind(type)])),
  };
  const names = imported.split(", ");
  const made: unknown = new Function(...names, `return ${body}`)(...names.map((name) => stubs[name]));
  const data = { type: "volume", name: "shimmy-data" };
  expect(made).toMatchObject({
    type: "project",
    resources: [
      {
        type: "service",
        build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile.railway" },
        deploy: { healthcheckPath: "/health", drainingSeconds: 150, limitOverride: { containers: { cpu: 2 } } },
        env: { PORT: "9000", SHIMMY_API_KEY: "kept" },
        volumeMounts: { "/data": data },
      },
      data,
    ],
  });
});

/** Of compose-go, loader/validate.go: it refuses a file that says a limit in both places, each of them unless they are equal. */
test("docker: compose takes the file: no limit stands beside those of deploy", () => {
  const { services } = yaml<{ services: Record<string, Record<string, unknown>> }>("docker", "compose.yaml", { models: ["a/b"] });
  for (const service of Object.values(services)) {
    expect(Object.keys(service)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(cpus|mem_limit|mem_reservation|pids_limit|scale)$/)]),
    );
    expect(service.deploy).toMatchObject({ resources: { limits: { pids: 512 } } });
  }
});

test("what a Dockerfile copies is let into its context", () => {
  for (const template of TEMPLATES) {
    const written = files(template.name, { models: ["owner/repo:Q4_K_M"] });
    const ignored = written.get(".dockerignore");
    const dockerfiles = [...written].filter(([path]) => path.startsWith("Dockerfile"));
    expect(dockerfiles.length > 0).toBe(ignored !== undefined);
    for (const [, text] of dockerfiles)
      for (const [, sources] of text.matchAll(/^COPY (?:--\S+ )*(.+) \S+$/gm))
        for (const source of sources!.split(" ")) expect(ignored).toContain(`!${source}\n`);
  }
});

test("a port below 1024: what is not root may listen there, or it is refused before a file is made", () => {
  for (const name of ["fly", "railway", "launchd", "github-actions"]) {
    expect(() => files(name, { port: "80" })).toThrow(/Invalid value for '--port'/);
    expect(() => files(name, { port: "1024" })).not.toThrow();
  }
  const sysctls = [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }];
  const pod = (port: string) => yaml<Pods>("kubernetes", "kubernetes/base/statefulset.yaml", { port }).spec.template.spec;
  expect(pod("80").securityContext).toMatchObject({ sysctls });
  expect(pod("1024").securityContext).not.toHaveProperty("sysctls");
  const service = (port: string) => files("systemd", { port }).get("shimmy@.service");
  expect(service("80")).toMatch(/^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  // A capability of a user namespace says nothing about the ports of the machine.
  expect(service("80")).not.toContain("PrivateUsers");
  expect(service("1024")).toMatch(/\nCapabilityBoundingSet=\n.*\nPrivateUsers=yes\n/);
  const compose = (port: string) => yaml<{ services: Record<string, object> }>("docker", "compose.yaml", { port }).services["shimmy-1"];
  expect(compose("80")).toMatchObject({ sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" } });
  expect(compose("1024")).not.toHaveProperty("sysctls");
});

interface Pods {
  readonly spec: { readonly template: { readonly spec: { readonly securityContext: object; readonly containers: readonly [Probed] } } };
}

interface Probe {
  readonly periodSeconds: number;
  readonly failureThreshold: number;
  readonly timeoutSeconds: number;
}

type Probed = Readonly<Record<"startupProbe" | "readinessProbe" | "livenessProbe", Probe>>;

describe("kubernetes", () => {
  const probes = (memory: string) =>
    yaml<Pods>("kubernetes", "kubernetes/base/statefulset.yaml", { memory }).spec.template.spec.containers[0];

  test("a start may take as long as a model of the memory's size takes from a slow volume, and ten minutes at least", () => {
    const seconds = (memory: string) => {
      const { periodSeconds, failureThreshold } = probes(memory).startupProbe;
      return periodSeconds * failureThreshold;
    };
    expect(seconds("2Gi")).toBe(600);
    // 50 MB/s
    expect(seconds("150G")).toBeGreaterThanOrEqual(3000);
  });

  test("a probe waits longer than the second that a busy, limited container may need for an answer", () => {
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"] as const)
      expect(probes("2Gi")[probe].timeoutSeconds).toBeGreaterThanOrEqual(5);
  });

  test("a pod that is not ready never keeps a node from being drained", () => {
    expect(yaml("kubernetes", "kubernetes/base/disruption-budget.yaml")).toMatchObject({
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" },
    });
  });

  test("names leave room for what Kubernetes puts behind them", () => {
    // The label controller-revision-hash is the name, a hyphen and ten characters, and has 63 at most.
    expect(() => files("kubernetes", { name: "a".repeat(53) })).toThrow(/Invalid value for '--name'/);
    expect(() => files("kubernetes", { name: "a".repeat(52) })).not.toThrow();
  });
});

test("models that no hub has are not pulled, and the README says where they must be", () => {
  const models = ["owner/repo:Q4_K_M,./mine.gguf,qwen3:8b"];
  for (const name of ["docker", "kubernetes", "railway", "fly", "lambda", "systemd", "launchd"]) {
    const all = [...files(name, { models }).values()].join("\n");
    expect(all).toContain("shimmy pull owner/repo:Q4_K_M");
    expect(all).not.toMatch(/shimmy pull (\.|qwen3)/);
    const told = files(name, { models }).get(`README-${name}.md`);
    expect(told).toMatch(/`\.\/mine\.gguf`, `qwen3:8b`: no hub has them/);
    expect(files(name, { models: ["owner/repo:Q4_K_M", "shimmy-tiny"] }).get(`README-${name}.md`)).not.toContain("no hub has");
  }
});

/** https://fly.io/docs/machines/guides-examples/machine-sizing */
test("fly: a machine that is sold, with no less than was asked for; what none has is refused", () => {
  fc.assert(
    fc.property(fc.integer({ min: 32, max: 131_072 }), fc.integer({ min: 1, max: 16 }), (memory, cpus) => {
      const text = files("fly", { memory: `${memory}Mi`, cpus: `${cpus}` }).get("fly.toml") ?? "";
      const [, kind, sold, megabytes] = /cpu_kind = "(\w+)"\n +cpus = (\d+)\n +memory = "(\d+)mb"\n$/.exec(text)!;
      const [least, most, step, sizes] = kind === "shared" ? [256, 2048, 256, [1, 2, 4, 8]] : [2048, 8192, 2048, [1, 2, 4, 8, 16]];
      expect(sizes).toContain(Number(sold));
      expect(Number(sold)).toBeGreaterThanOrEqual(cpus);
      expect(Number(megabytes)).toBeGreaterThanOrEqual(Math.max(memory, least * Number(sold)));
      expect(Number(megabytes)).toBeLessThanOrEqual(most * Number(sold));
      expect(Number(megabytes) % step).toBe(0);
    }),
  );
  expect(() => files("fly", { memory: "129Gi" })).toThrow(/Invalid value for '--memory'/);
});

test("systemd: no name makes the service run as root", () => {
  expect(() => files("systemd", { name: "root" })).toThrow(/Invalid value for '--name'/);
});

test("more instances than a machine has ports or sense for are refused", () => {
  for (const name of ["docker", "systemd", "nginx", "haproxy", "launchd"]) {
    expect(() => files(name, { replicas: "101" })).toThrow(/at most 100/);
    expect(() => files(name, { replicas: "5", port: "65533" })).toThrow(/at most 3/);
    expect(() => files(name, { replicas: "3", port: "65533" })).not.toThrow();
  }
});
