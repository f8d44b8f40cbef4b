/** `shimmy generate`: one prompt, one answer, for scripts. */
import type { LoadedConfig } from "../config/load.ts";
import { type GenerationEvent, nameOf, type Prompt } from "../contract/generation.ts";
import { ask, tellFallback } from "./ask.ts";
import { openToLoad } from "./open.ts";
import { printJson, writeAnswer } from "./output.ts";

interface Flags {
  prompt: string;
  maxTokens?: number;
  raw?: boolean;
  json?: boolean;
}

export async function generate(loaded: LoadedConfig, name: string, { prompt: text, maxTokens, raw, json }: Flags): Promise<void> {
  const { pool } = await openToLoad(loaded);
  try {
    const model = await pool.resolve(name);
    tellFallback(model);
    const prompt: Prompt = raw ? { kind: "text", text } : { kind: "chat", messages: [{ role: "user", content: text }] };
    const events = ask(pool, model, { prompt, ...(maxTokens !== undefined && { maxTokens }) }, new AbortController().signal);
    if (json) printJson({ model: nameOf(model), ...(await gather(events)) });
    else {
      for await (const event of events) if (event.type === "text") writeAnswer(event.text);
      process.stdout.write("\n");
    }
  } finally {
    await pool.stop();
  }
}

async function gather(events: AsyncIterable<GenerationEvent>) {
  let text = "";
  let reasoning = "";
  let promptTokens = 0;
  for await (const event of events) {
    if (event.type === "text") text += event.text;
    else if (event.type === "reasoning") reasoning += event.text;
    else if (event.type === "started") promptTokens = event.promptTokens;
    else if (event.type === "finished") {
      const { completionTokens, reason: finishReason, timings } = event;
      return { text, ...(reasoning !== "" && { reasoning }), promptTokens, completionTokens, finishReason, timings };
    }
  }
  throw new Error("the answer has no end");
}
