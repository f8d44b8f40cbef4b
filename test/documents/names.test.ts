/**
 * What documents name exists: files and headings behind links, flags, variables, settings, routes, metrics; and their blocks of YAML, JSON,
 * TypeScript and Python are what they say. A document that is left behind by the code fails here.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CONFIG_FILE, SETTINGS } from "../../src/config/table.ts";
import { bareEnvironment, shimmy, temporaryFolder } from "../support/command.ts";
import { anchors, fences, inlineCode, links } from "../support/markdown.ts";
import { post, startServer, type TestServer } from "../support/server.ts";
import { helpOf } from "./checks.ts";
import { FOREIGN_FLAGS, FOREIGN_PATHS, FOREIGN_VARIABLES } from "./foreign.ts";
import { likeRepository } from "./shell.ts";
import { documents, type Source, templates } from "./sources.ts";

const folder = temporaryFolder();
const all = [...documents(), ...(await templates(join(folder, "templates")))];
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const unique = (found: Iterable<string>) => [...new Set(found)];
const code = ({ text }: Source) => [...inlineCode(text), ...fences(text)].map((each) => each.text);

test("each link leads to a file or heading that is there", () => {
  const broken = all.flatMap((source) =>
    links(source.text)
      .filter(({ text }) => !/^[a-z]+:/.test(text))
      .filter(({ text }) => {
        const [path = "", heading] = text.split("#");
        const target = path === "" ? undefined : join(source.folder ?? dirname(source.name), path);
        if (target !== undefined && !existsSync(target)) return true;
        return heading !== undefined && !anchors(target === undefined ? source.text : readFileSync(target, "utf8")).has(heading);
      })
      .map(({ text, line }) => `${source.name}:${line}: ${text}`),
  );
  expect(broken).toEqual([]);
});

test("each flag is one of a command, of the bench, or of another program that is listed", async () => {
  const commands = [...(await helpOf([])).matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name!).filter((name) => name !== "help");
  const helps = await Promise.all([
    helpOf([]),
    ...["list", "install", "remove"].map((name) => helpOf(["engine", name])),
    ...commands.map((name) => helpOf([name])),
  ]);
  const bench = execFileSync("sh", ["-c", "cat bench/*.ts bench/*/*.ts bench/*/*.mjs models/*/*.py"], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  const ours = new Set(helps.flatMap((help) => [...help.matchAll(/--[a-z][\w-]*/g)].map(([flag]) => flag)));
  const knownToBench = (flag: string) => new RegExp(`(\\b${flag.slice(2)}|"${flag.slice(2)}")\\s*:|"(--)?${flag.slice(2)}"`).test(bench);
  const known = (flag: string, { name }: Source) =>
    ours.has(flag) || FOREIGN_FLAGS.has(flag) || (/^(bench|models|docs\/(decisions|scaling))/.test(name) && knownToBench(flag));
  const unknown = all.flatMap((source) =>
    unique([...source.text.matchAll(/(?<![\w-])--[a-z][\w-]*/g)].map(([flag]) => flag))
      .filter((flag) => !known(flag, source))
      .map((flag) => `${source.name}: ${flag}`),
  );
  expect(unknown).toEqual([]);
});

test("what is listed as another program's is in a document", () => {
  const listed = [...FOREIGN_FLAGS, ...FOREIGN_PATHS, ...FOREIGN_VARIABLES];
  expect(listed.filter((name) => !all.some(({ text }) => text.includes(name)))).toEqual([]);
});

test("each variable is that of a setting, or listed", () => {
  const known = new Set([...Object.values(SETTINGS).flatMap(({ env }) => env), CONFIG_FILE.env, ...FOREIGN_VARIABLES]);
  const unknown = all.flatMap(({ name, text }) =>
    unique([...text.matchAll(/\bSHIMMY_[A-Z_]*[A-Z]\b/g)].map(([variable]) => variable))
      .filter((variable) => !known.has(variable))
      .map((variable) => `${name}: ${variable}`),
  );
  expect(unknown).toEqual([]);
});

test("each key with a colon is one of the file", () => {
  const known = new Set<string>([...Object.values(SETTINGS).map(({ file }) => file), "alerts", "shimmy_config"]);
  const shown = all.flatMap((source) => inlineCode(source.text).flatMap(({ text }) => /^([a-z_]+):$/.exec(text)?.[1] ?? []));
  expect(shown.length).toBeGreaterThan(3);
  // `data:` begins a line of an event stream.
  expect(unique(shown).filter((key) => key !== "data" && !known.has(key))).toEqual([]);
});

test("each route is in the document of the API", async () => {
  const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: Record<string, object> };
  const routes = Object.entries(paths).map(([path, methods]) => ({
    path: path.replaceAll(/\{\w+\}/g, "[^/]+"),
    methods: Object.keys(methods),
  }));
  const exists = (method: string | undefined, path: string) =>
    routes.some(
      (each) => new RegExp(`^(/v1)?${each.path}$`).test(path) && (method === undefined || each.methods.includes(method.toLowerCase())),
    ) || routes.some((each) => method === undefined && each.path.endsWith(path));
  const unknown = all.flatMap((source) =>
    code(source).flatMap((text) => {
      const named = [...text.matchAll(/\b(?:localhost|127\.0\.0\.1):\d+(\/[\w/{}-]+)/g)].map(([, path]) => [undefined, path!] as const);
      const [, method, path] = /^(?:(GET|POST|PUT|DELETE) )?(\/[\w/{}-]*)$/.exec(text) ?? [];
      return [...named, ...(path === undefined ? [] : [[method, path] as const])]
        .filter(([verb, route]) => !exists(verb, route) && !FOREIGN_PATHS.has(route))
        .map(([verb, route]) => `${source.name}: ${verb ?? ""} ${route}`);
    }),
  );
  expect(unknown).toEqual([]);
});

test("each metric is told by /metrics, or defined in telemetry/", async () => {
  await post(server, "/v1/chat/completions", { messages: [{ role: "user", content: "hello" }], max_tokens: 4 });
  const told = await (await fetch(`${server.url}/metrics`)).text();
  const telemetry = execFileSync("sh", ["-c", "cat src/telemetry/*.ts src/telemetry/*/*.ts src/contract/*.ts"], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  const exists = (metric: string) =>
    new RegExp(`^${metric}(_bucket|_sum)?[ {]`, "m").test(told) || new RegExp(`"${metric}"`).test(telemetry);
  const unknown = all.flatMap((source) =>
    unique(code(source).flatMap((text) => [...text.matchAll(/(?<![\w/@-])shimmy_[a-z_]+(?![\w-])/g)].map(([metric]) => metric)))
      .filter((metric) => metric !== "shimmy_config" && !exists(metric))
      .map((metric) => `${source.name}: ${metric}`),
  );
  expect(unknown).toEqual([]);
});

const blocks = (...languages: string[]) =>
  all.flatMap((source) =>
    fences(source.text)
      .filter(({ language }) => languages.includes(language))
      .map((fence) => ({ where: `${source.name}:${fence.line}`, ...fence })),
  );

test.each(blocks("yaml", "yml"))("$where is read as configuration", async ({ text }) => {
  const cwd = mkdtempSync(join(folder, "yaml-"));
  writeFileSync(join(cwd, "shimmy.yaml"), text);
  const { code, stdout, stderr } = await shimmy(["config", "--config", "shimmy.yaml"], { cwd });
  expect([code, stderr]).toEqual([0, expect.not.stringContaining("error")]);
  expect(stdout).toContain("port");
});

const json = blocks("json");
test.runIf(json.length > 0).each(json)("$where is JSON", ({ text }) => {
  expect(() => JSON.parse(text)).not.toThrow();
});

/** As it stands but for the port, where `openai` and `shimmy` are found as an application would. */
function run(program: string, args: readonly string[], file: string, text: string): string {
  const cwd = likeRepository(folder);
  writeFileSync(join(cwd, file), text.replaceAll("11435", `${server.port}`));
  return execFileSync(program, [...args, file], { cwd, env: { ...bareEnvironment(cwd), PATH: process.env.PATH }, encoding: "utf8" });
}

test.each(blocks("ts", "typescript", "js", "javascript"))("$where runs", ({ text }) => {
  // Types are all that esbuild takes away.
  const plain = execFileSync("node_modules/.bin/esbuild", ["--loader=ts", "--format=esm"], { input: text, encoding: "utf8" });
  expect(run(process.execPath, [], "block.mjs", plain).trim()).not.toBe("");
});

const python = blocks("python", "py");
const PYTHON = process.env.SHIMMY_TEST_PYTHON ?? "python3";
const has = (program: string) => {
  try {
    execFileSync(PYTHON, ["-c", program], { stdio: "ignore" });
    return true;
  } catch {
    return false; // no Python, or not this package
  }
};
const [hasPython, hasOpenAI] = [has(""), has("import openai")];
test.skipIf(!hasPython).each(python)(
  `$where ${hasOpenAI ? "runs" : hasPython ? "is Python; no openai to run it with" : "not checked: no python3"}`,
  ({ text }) => {
    if (hasOpenAI) expect(run(PYTHON, [], "block.py", text).trim()).not.toBe("");
    else run(PYTHON, ["-m", "py_compile"], "block.py", text);
  },
);
