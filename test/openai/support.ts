/** What the suites of the OpenAI dialect share: one server with both models, raw HTTP, and a strict reader of event streams. */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { gguf } from "@huggingface/gguf";
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { expect } from "vitest";
import { NO_SHARED, post, SMOLLM2, startServer, type TestServer, TINY } from "../support/server.ts";

export interface TestModel {
  readonly label: string;
  readonly id: string;
  readonly path: string;
  /** Why its tests are skipped; absent: it is here. */
  readonly missing?: string;
}

export const SHIMMY_TINY: TestModel = { label: "Shimmy Tiny", id: "shimmy-tiny", path: TINY };
export const SMOL: TestModel = {
  label: NO_SHARED ? `SmolLM2 (skipped: ${NO_SHARED})` : "SmolLM2",
  id: "smollm2-135m-instruct-q4-1",
  path: SMOLLM2,
  ...(NO_SHARED && { missing: NO_SHARED }),
};
export const MODELS = [SHIMMY_TINY, SMOL];

/**
 * A server with the embedded model, and with SmolLM2 where it is. One thread each: files run side by side, and threads that
 * wait for each other while another engine has their core take a hundred times as long.
 */
export function startBoth(args: readonly string[] = []): Promise<TestServer> {
  return startServer({ args: ["--threads", "1", ...(NO_SHARED ? [] : ["--model-path", SMOLLM2]), ...args] });
}

export const CHAT = "/v1/chat/completions";
export const COMPLETIONS = "/v1/completions";

export const ask = (content: string) => [{ role: "user", content }];

/** One JSON answer. */
export async function whole<T>(server: TestServer, path: string, body: object): Promise<T> {
  const response = await post(server, path, body);
  const text = await response.text();
  expect({ status: response.status, text: response.ok ? "" : text }).toEqual({ status: 200, text: "" });
  expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
  return JSON.parse(text);
}

export const wholeChat = (server: TestServer, body: object) => whole<ChatCompletion>(server, CHAT, body);
export const wholeCompletion = (server: TestServer, body: object) => whole<Completion>(server, COMPLETIONS, body);

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly onData?: (text: string) => void;
}

/** node:http, where fetch forbids or tidies something: the Host header, HEAD, an answer that breaks off. */
export function raw(
  server: Pick<TestServer, "port">,
  path: string,
  { method = "GET", headers, body, onData }: RawRequest = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: server.port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        onData?.(chunk);
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

export const JSON_TYPE = { "content-type": "application/json" };

/** Chunks of a stream, read from the raw bytes: T2 is checked for each stream that any test reads. */
export async function streamed<T>(server: TestServer, path: string, body: object): Promise<T[]> {
  const answer = await raw(server, path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify({ ...body, stream: true }) });
  expect({ status: answer.status, text: answer.status === 200 ? "" : answer.text }).toEqual({ status: 200, text: "" });
  expect(answer.headers["content-type"]).toMatch(/^text\/event-stream\b/);
  const payloads = eventPayloads(answer.text);
  expect(payloads.pop()).toBe("[DONE]");
  return payloads.map((payload) => JSON.parse(payload) as T);
}

export const streamedChat = (server: TestServer, body: object) => streamed<ChatCompletionChunk>(server, CHAT, body);
export const streamedCompletion = (server: TestServer, body: object) => streamed<Completion>(server, COMPLETIONS, body);

/** What stands behind `data: ` in each event; comments are left out, all else is refused. */
export function eventPayloads(text: string): string[] {
  expect(text.endsWith("\n\n")).toBe(true);
  const frames = text.slice(0, -2).split("\n\n");
  return frames
    .filter((frame) => !frame.startsWith(":"))
    .map((frame) => {
      expect(frame).toMatch(/^data: (?!data:).*$/); // one line, one prefix
      return frame.slice("data: ".length);
    });
}

export const chatText = (chunks: readonly ChatCompletionChunk[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices)
    .filter((choice) => choice.index === index)
    .map(({ delta }) => delta.content ?? "")
    .join("");

export const completionText = (chunks: readonly Completion[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices)
    .filter((choice) => choice.index === index)
    .map(({ text }) => text)
    .join("");

/** The vocabulary of a model file, as its tokenizer spells it: byte-level BPE writes a space as Ġ. */
export async function vocabulary(path: string): Promise<{ id(token: string): number }> {
  const { metadata } = await gguf(path, { allowLocalFile: true });
  const tokens = (metadata as Record<string, unknown>)["tokenizer.ggml.tokens"] as string[];
  return {
    id: (token) => {
      const id = tokens.indexOf(token);
      if (id < 0) throw new Error(`${token} is not in the vocabulary of ${path}`);
      return id;
    },
  };
}
