/**
 * T11 as a property: whatever is asked, a stream says what the whole answer says, byte for byte: text, thoughts, calls, reasons, log
 * probabilities, usage. Random requests to Shimmy Tiny, as it is and with a template that thinks.
 */
import { resolve } from "node:path";
import fc from "fast-check";
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { Response as Answer, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, eventPayloads } from "../openai/support.ts";
import { post, startServer, type TestServer } from "../support/server.ts";
import { ofChatChunks, ofResponse, ofResponseEvents, ofWholeChat } from "./fold.ts";
import { brokenPromises } from "./promises.ts";
import { anyWish, chatBody, responseBody } from "./requests.ts";

/** More of them, and others: SHIMMY_FOLD_RUNS=500 SHIMMY_FOLD_SEED=7. */
const RUNS = Number(process.env.SHIMMY_FOLD_RUNS ?? 60);
const SEED = Number(process.env.SHIMMY_FOLD_SEED ?? 20_261_124);
const model = "shimmy-tiny";

const SERVERS = [
  ["as it is", []],
  ["with a template that thinks", ["--chat-template-file", resolve("test/fixtures/thinking.jinja")]],
] as const;

describe.each(SERVERS)("Shimmy Tiny %s", (_, args) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ args: ["--threads", "1", ...args] });
  });
  afterAll(() => server.stop());

  /** What kinds of answers there were: a property that only ever sees one kind proves little. */
  const seen = new Set<string>();
  const options = { numRuns: RUNS, seed: SEED };

  test("T11 T12 T38 folding a chat's stream gives the whole answer, which keeps what was promised", async () => {
    await fc.assert(
      fc.asyncProperty(anyWish, async (wish) => {
        const body = chatBody(wish, model);
        const whole = await post(server, CHAT, body);
        const stream = await post(server, CHAT, { ...body, stream: true, ...(wish.usage && { stream_options: { include_usage: true } }) });
        const [text, streamed] = [await whole.text(), await stream.text()];
        expect([whole.status, stream.status, text.slice(0, 200)]).toEqual([200, 200, expect.anything()]);
        const payloads = eventPayloads(streamed);
        expect(payloads.pop()).toBe("[DONE]");
        const answer = ofWholeChat(JSON.parse(text) as ChatCompletion);
        const folded = ofChatChunks(payloads.map((each) => JSON.parse(each) as ChatCompletionChunk));
        expect(folded).toEqual({ ...answer, ...(!wish.usage && { usage: undefined }) });
        expect(brokenPromises(wish, answer)).toEqual([]);
        for (const { content, reasoning, calls, finish } of answer.choices) {
          seen.add(`${content && "text"} ${reasoning && "thought"} ${calls.length > 0 ? "call" : ""} ${finish}`.trim());
        }
      }),
      options,
    );
    expect(seen.size).toBeGreaterThan(3);
  }, 300_000);

  test("T11 T69 folding the events of a response gives the whole one", async () => {
    await fc.assert(
      fc.asyncProperty(anyWish, async (wish) => {
        const body = responseBody(wish, model);
        const whole = await post(server, "/v1/responses", body);
        const stream = await post(server, "/v1/responses", { ...body, stream: true });
        const [text, streamed] = [await whole.text(), await stream.text()];
        expect([whole.status, stream.status, text.slice(0, 200)]).toEqual([200, 200, expect.anything()]);
        const events = [...streamed.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!) as ResponseStreamEvent);
        const { folded, final } = ofResponseEvents(events);
        expect(folded).toEqual(final);
        expect(final).toEqual(ofResponse(JSON.parse(text) as Answer));
      }),
      options,
    );
  }, 300_000);
});
