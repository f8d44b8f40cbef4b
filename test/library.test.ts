/** The library as another program uses it: from the built package, mounted by its fetch handler, without a socket. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { createShimmy, ERRORS, Shimmy, ShimmyError } from "../src/index.ts";
import { temporaryFolder } from "./support/command.ts";

interface Library {
  readonly createShimmy: typeof createShimmy;
  readonly ShimmyError: typeof ShimmyError;
  readonly ERRORS: typeof ERRORS;
  readonly VERSION: string;
}

const folder = temporaryFolder();
const library: Library = await import(pathToFileURL(resolve("dist/index.js")).href);

describe("createShimmy", () => {
  let shimmy: Shimmy;
  beforeAll(async () => {
    // Settings by name, as flags take them; the file keeps the person's own configuration out.
    writeFileSync(join(folder, "none.yaml"), "");
    shimmy = await library.createShimmy({ config: join(folder, "none.yaml"), modelDirs: [folder], logLevel: "error" });
  });
  afterAll(() => shimmy.close());

  const ask = (path: string, body?: unknown) =>
    shimmy.fetch(
      new Request(`http://anything.example${path}`, {
        ...(body !== undefined && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      }),
    );
  const messages = [{ role: "user", content: "What is the capital of France?" }];

  test("answers every route as the server does", async () => {
    expect(await (await ask("/health")).json()).toMatchObject({ status: "ok", version: library.VERSION });
    expect(await (await ask("/v1/models")).json()).toMatchObject({ data: [{ id: "shimmy-tiny" }] });
    expect((await ask("/nowhere")).status).toBe(404);
  });

  test("answers a chat, whole and streamed", async () => {
    const whole = await ask("/v1/chat/completions", { messages, temperature: 0 });
    expect(await whole.json()).toMatchObject({ choices: [{ message: { content: "The capital of France is Paris." } }] });
    const streamed = await (await ask("/v1/chat/completions", { messages, temperature: 0, stream: true })).text();
    expect(streamed.trimEnd()).toMatch(/^data: .*data: \[DONE\]$/s);
  });

  test("gives the generator itself, for programs that want events and not HTTP", async () => {
    const model = await shimmy.generator.resolve("shimmy-tiny");
    const sampling = {
      ...{ temperature: 0, topK: 0, topP: 1, minP: 0, typicalP: 1, repeatPenalty: 1, repeatLastN: 64, frequencyPenalty: 0 },
      ...({ presencePenalty: 0, logitBias: [], mirostat: 0, mirostatTau: 5, mirostatEta: 0.1 } as const),
    };
    const prompt = { kind: "chat", messages } as const;
    const request = { id: "1", model: "shimmy-tiny", prompt, choices: 1, stop: [], sampling };
    let text = "";
    const types = new Set<string>();
    for await (const event of shimmy.generator.generate(model, request, new AbortController().signal)) {
      types.add(event.type);
      if (event.type === "text") text += event.text;
    }
    expect([text, [...types]]).toEqual(["The capital of France is Paris.", ["started", "text", "finished"]]);
  });

  test("its metrics tell of its start and of its requests", async () => {
    const text = await (await ask("/metrics")).text();
    const startup = Number(/^shimmy_startup_seconds (\S+)$/m.exec(text)?.[1]);
    expect(startup).toBeGreaterThan(0);
    expect(startup).toBeLessThan(30);
    expect(text).toMatch(/^shimmy_expected_memory_bytes [1-9]/m);
    expect(text).toMatch(/^shimmy_requests_total\{route="\/v1\/chat\/completions",model="shimmy-tiny",status="200"\} \d/m);
  });

  test("tells the models with their state", async () => {
    const [{ info, state, servedContext }] = (await shimmy.models()) as [Awaited<ReturnType<Shimmy["models"]>>[0]];
    expect([info.id, state, servedContext]).toEqual(["shimmy-tiny", "loaded", 1024]);
  });
});

test("a wrong setting is an error of the catalogue, not an exit", async () => {
  await expect(library.createShimmy({ port: "http" })).rejects.toThrow(library.ShimmyError);
  await expect(library.createShimmy({ prot: "1" })).rejects.toMatchObject({ code: "unknown_setting", details: { name: "prot" } });
});

test("close ends the engines, so the program that used them can end", () => {
  const script = `
    import { createShimmy } from ${JSON.stringify(pathToFileURL(resolve("dist/index.js")).href)};
    const shimmy = await createShimmy({ logLevel: "error" });
    const body = JSON.stringify({ messages: [{ role: "user", content: "Hello!" }], max_tokens: 2 });
    const headers = { "content-type": "application/json" };
    console.log((await shimmy.fetch(new Request("http://localhost/v1/chat/completions", { method: "POST", headers, body }))).status);
    await shimmy.close();`;
  const options = { cwd: folder, encoding: "utf8", timeout: 20_000 } as const;
  expect(execFileSync(process.execPath, ["--input-type=module", "--eval", script], options)).toBe("200\n");
});

test("its types are those of a TypeScript program that installs the package", () => {
  mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
  symlinkSync(resolve("."), join(folder, "node_modules/shimmy"), "dir");
  symlinkSync(resolve("node_modules/@types/node"), join(folder, "node_modules/@types/node"), "dir");
  writeFileSync(
    join(folder, "use.mts"),
    `import { createShimmy, ERRORS, type GenerationEvent, type ModelStatus, type Shimmy, ShimmyError, VERSION } from "shimmy";
const shimmy: Shimmy = await createShimmy({ modelDirs: ["./models"], strictModels: true });
const models: readonly ModelStatus[] = await shimmy.models();
const response: Response = await shimmy.fetch(new Request("http://localhost/v1/models"));
const status: number = ERRORS.queue_full.status;
export const kind = (event: GenerationEvent): "started" | "progress" | "prompt" | "reasoning" | "toolCall" | "text" | "finished" => event.type;
// @ts-expect-error the types are really there: a setting is no number
await createShimmy({ port: 1 });
export { models, response, status, ShimmyError, VERSION };
`,
  );
  // skipLibCheck off: the declarations themselves must be sound for whoever installs the package.
  const flags = "--noEmit --strict --module nodenext --target es2023 --types node --skipLibCheck false --ignoreConfig use.mts".split(" ");
  const output = (() => {
    try {
      return execFileSync(resolve("node_modules/.bin/tsc"), flags, { cwd: folder, encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      return String((error as { stdout: string }).stdout);
    }
  })();
  expect(output).toBe("");
});

test("traces are sent where OpenTelemetry's variables ask for them, and alerts are watched", async () => {
  const bodies: string[] = [];
  const collector = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    bodies.push(text);
    response.end("{}");
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  writeFileSync(join(folder, "alerts.yaml"), "alerts: {up: startup_time > 1ms}\n");
  const shimmy = await library.createShimmy({ config: join(folder, "alerts.yaml"), modelDirs: [folder], logLevel: "error" });
  try {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    const answer = await shimmy.fetch(new Request("http://anything.example/v1/models"));
    expect(answer.headers.get("traceparent")).toMatch(/^00-/);
    const alerts = (await (await shimmy.fetch(new Request("http://anything.example/api/alerts"))).json()) as { alerts: unknown[] };
    expect(alerts.alerts).toMatchObject([{ name: "up", state: "firing" }]);
  } finally {
    await shimmy.close();
    collector.close();
  }
  expect(bodies.join()).toContain("GET /v1/models");
});
