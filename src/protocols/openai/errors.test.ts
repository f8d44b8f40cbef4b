import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { Stream } from "openai/streaming";
import { expect, test } from "vitest";
import { ERRORS, type ErrorCode, ShimmyError } from "../../contract/errors.ts";
import { encodeError, encodeStreamError } from "./errors.ts";

test("T6 an error has OpenAI's four fields, and our hint", () => {
  expect(encodeError(new ShimmyError("model_not_found", { model: "x", available: ["a", "b"] }))).toEqual({
    status: 404,
    body: {
      error: {
        message: "The model 'x' does not exist. Available models: a, b",
        type: "invalid_request_error",
        param: "model",
        code: "model_not_found",
        hint: "List them with GET /v1/models or `shimmy list`.",
      },
    },
  });
});

test("T6 every error of the catalogue is dressed with its own status and a type of OpenAI's", () => {
  const types = ["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"];
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { status, body } = encodeError(new ShimmyError(code));
    expect(status).toBe(ERRORS[code].status);
    expect(body).toMatchObject({ error: { code, param: code === "model_not_found" ? "model" : null } });
    expect(types).toContain((body as { error: { type: string } }).error.type);
  }
});

test("T59 a context overflow tells both numbers", () => {
  const { status, body } = encodeError(new ShimmyError("context_length_exceeded", { n_prompt_tokens: 5000, n_ctx: 4096 }));
  expect(status).toBe(400);
  expect(body).toMatchObject({ error: { code: "context_length_exceeded", n_prompt_tokens: 5000, n_ctx: 4096 } });
});

test("what made an internal error stays inside", () => {
  const { body } = encodeError(ShimmyError.from(new Error("secret at /home/me")));
  expect(JSON.stringify(body)).not.toContain("secret");
});

test("T7 an error in mid-stream is one frame without an end mark, and OpenAI's client throws it", async () => {
  const frame = encodeStreamError(new ShimmyError("engine_gone", { model: "x", reason: "killed\nby 9" }));
  expect(frame).toMatch(/^data: [^\n]+\n\n$/);
  const read = Stream.fromSSEResponse<ChatCompletionChunk>(new Response(frame), new AbortController());
  const drain = async () => {
    for await (const chunk of read) expect(chunk).toBeUndefined();
  };
  await expect(drain()).rejects.toMatchObject({ code: "engine_gone", type: "server_error" });
});
