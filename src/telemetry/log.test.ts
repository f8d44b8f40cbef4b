import { describe, expect, test } from "vitest";
import { createLogger, type LogOptions } from "./log.ts";

function collect(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const noon = new Date(2026, 0, 1, 12, 0, 1).getTime();
  const log = createLogger({ level: "info", format: "text", write: (line) => lines.push(line), now: () => noon, ...options });
  return { log, lines, noon };
}

describe("text lines", () => {
  test("show time, level, message and fields, quoted only where needed", () => {
    const { log, lines } = collect();
    log.info("request", { model: "shimmy-tiny", ms: 12, path: "/a b", gone: undefined });
    expect(lines).toEqual(['12:00:01 info  request model=shimmy-tiny ms=12 path="/a b"']);
  });

  test("stay one line and send no control sequences to the terminal, whatever a name contains", () => {
    const { log, lines } = collect();
    log.info("model\n12:00:02 error forged", { model: "x\u001b[31m\nerror \u202e" });
    expect(lines[0]).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(lines[0]).toContain("\\u001b[31m");
  });

  test("bring the stack of an error logged as an error, with the cause", () => {
    const { log, lines } = collect();
    log.error("failed", { err: new Error("Internal error", { cause: new TypeError("the real reason") }) });
    expect(lines[0]).toContain('err="Internal error: the real reason"');
    expect(lines[0]).toMatch(/\n {4}caused by: TypeError: the real reason\n {4}at /);
  });
});

describe("json lines", () => {
  test("have the field names and level numbers of pino", () => {
    const { log, lines, noon } = collect({ format: "json" });
    log.warn("slow", { model: "m", ms: 3, level: "forged" });
    expect(JSON.parse(lines[0] ?? "")).toEqual({ level: 40, time: noon, pid: process.pid, msg: "slow", model: "m", ms: 3 });
  });

  test("an error is type, message with causes, and stack, even if its cause is itself", () => {
    const { log, lines } = collect({ format: "json" });
    const error = new RangeError("outer");
    error.cause = error;
    log.error("failed", { err: error });
    expect(JSON.parse(lines[0] ?? "").err).toMatchObject({
      type: "RangeError",
      message: "outer",
      stack: expect.stringContaining("RangeError"),
    });
  });
});

test("a level changed at run time reaches children that exist already", () => {
  const { log, lines } = collect();
  const child = log.child({ model: "m" });
  child.debug("unseen");
  log.level = "debug";
  child.debug("seen");
  log.level = "error";
  child.warn("unseen");
  expect(lines).toEqual(["12:00:01 debug seen model=m"]);
  expect(child.enabled("warn")).toBe(false);
});

test.each(["prompt", "messages", "content", "apiKey", "api_key", "x-api-key", "Authorization"])("a field named %s is masked", (name) => {
  for (const format of ["text", "json"] as const) {
    const { log, lines } = collect({ format });
    log.info("request", { [name]: "the-secret" });
    expect(lines[0]).not.toContain("the-secret");
    expect(lines[0]).toContain("****");
  }
});

test("a very long value is cut", () => {
  const { log, lines } = collect();
  log.info("request", { model: "x".repeat(1_000_000) });
  expect(lines[0]?.length).toBeLessThan(5000);
});
