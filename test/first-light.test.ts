/** The main job on the embedded model: if this fails, nothing else matters. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "./support/server.ts";

let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" });
});
afterAll(() => server.stop());

const question = { model: "shimmy-tiny", messages: [{ role: "user" as const, content: "What is the capital of France?" }], temperature: 0 };

test("the official client gets an answer of the embedded model", async () => {
  const answer = await client.chat.completions.create(question);
  expect(answer.choices[0]!.message.content).toBe("The capital of France is Paris.");
  expect(answer.choices[0]!.finish_reason).toBe("stop");
});

test("the official client streams the same answer", async () => {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...question, stream: true }))
    text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toBe("The capital of France is Paris.");
});

test("twelve clients at once share one engine", async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => client.chat.completions.create(question)));
  expect(new Set(answers.map((answer) => answer.choices[0]!.message.content))).toEqual(new Set(["The capital of France is Paris."]));
  expect(await server.engines()).toHaveLength(1);
});
