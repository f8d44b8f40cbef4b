/** What every template of `shimmy init` keeps to, and what the structure of its files must be. Programs read them in test/deploy/. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { templateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { TEMPLATES } from "./index.ts";

const DEFAULTS = { port: 11_435, memoryBytes: 2 ** 31, memoryReason: "Estimated from the model.", cpus: 2, version: "0.1.0" };
const names = fc.stringMatching(/^[a-z]([a-z\d-]{0,50}[a-z\d])?$/);
const models = fc.array(fc.constantFrom("owner/repo:Q4_K_M", "owner/repo@main", "shimmy-tiny", "a/b/c.gguf", "qwen3:8b"), { maxLength: 3 });
const options = fc
  .record({
    name: names,
    models,
    port: fc.integer({ min: 1, max: 60_000 }),
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
    expect(dockerfile).toMatch(/^FROM node:\d+-slim$/m);
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
      deploy: { resources: { limits: { cpus: "2", memory: "2048M" } } },
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
  expect(JSON.parse(files("railway", { cpus: "2" }).get("railway.json") ?? "")).toMatchObject({
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile.railway" },
    deploy: { healthcheckPath: "/health", drainingSeconds: 150, limitOverride: { containers: { cpu: 2 } } },
  });
});

test("more instances than a machine has ports or sense for are refused", () => {
  for (const name of ["docker", "systemd", "nginx", "haproxy", "launchd"]) {
    expect(() => files(name, { replicas: "101" })).toThrow(/at most 100/);
    expect(() => files(name, { replicas: "5", port: "65533" })).toThrow(/at most 3/);
    expect(() => files(name, { replicas: "3", port: "65533" })).not.toThrow();
  }
});
