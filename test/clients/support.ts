/** For the suites of official clients: real servers with both models, one of them with a template that thinks. */
import { resolve } from "node:path";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModel } from "ai";
import OpenAI from "openai";
import { startBoth } from "../openai/support.ts";
import type { TestServer } from "../support/server.ts";

export interface Servers {
  /** As the models come. */
  readonly plain: TestServer;
  /** Thoughts are opened by the template, as that of Qwen3-Thinking does. */
  readonly thinking: TestServer;
  stop(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const plain = await startBoth();
  const thinking = await startBoth(["--chat-template-file", resolve("test/fixtures/thinking.jinja")]);
  return { plain, thinking, stop: async () => void (await Promise.all([plain.stop(), thinking.stop()])) };
}

export const openaiOf = (server: TestServer) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });

/** Tokens that a thought may take: the models are small and the machine is too. */
export const BUDGET = 8;

/** Adds to each body what the client has no field for. */
function fetchWith(fields: object): typeof fetch {
  return (url, init) => fetch(url, { ...init, body: JSON.stringify({ ...JSON.parse(String(init!.body)), ...fields }) });
}

export interface Provider {
  readonly label: string;
  /** Its stream tells thoughts as they come. */
  readonly thinks: boolean;
  model(server: TestServer, id: string, fields?: object): LanguageModel;
}

export const PROVIDERS: readonly Provider[] = [
  {
    label: "@ai-sdk/openai-compatible",
    thinks: true,
    model: (server, id, fields = {}) =>
      createOpenAICompatible({
        ...{ name: "shimmy", baseURL: `${server.url}/v1`, supportsStructuredOutputs: true, includeUsage: true, fetch: fetchWith(fields) },
      })(id),
  },
  {
    label: "@ai-sdk/openai, chat",
    thinks: false,
    model: (server, id, fields = {}) => createOpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", fetch: fetchWith(fields) }).chat(id),
  },
  {
    label: "@ai-sdk/openai, responses",
    thinks: true,
    model: (server, id, fields = {}) => createOpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", fetch: fetchWith(fields) })(id),
  },
];
