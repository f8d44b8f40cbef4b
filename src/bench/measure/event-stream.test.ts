import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventStream } from "./event-stream.ts";

const chunk = (content: string | null, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } } })}\n\n`;

describe("EventStream", () => {
  it("counts chunks with text only, not role, finish, usage or comments", () => {
    const stream = new EventStream();
    const all = [
      chunk(null),
      ": waiting\n\n",
      chunk("a"),
      chunk(""),
      chunk('say "content":"x"'),
      chunk("", "length"),
      usage,
      "data: [DONE]\n\n",
    ];
    stream.push(Buffer.from(all.join("")), 7);
    expect(stream.chunkMs).toEqual([7, 7]);
    expect(stream.text()).toBe('asay "content":"x"');
    expect(stream.finishReason()).toBe("length");
    expect(stream.usage()).toEqual({ promptTokens: 5, completionTokens: 3, cachedTokens: 2 });
    expect(stream.done).toBe(true);
  });

  it("gives the same whatever way the bytes are cut", () => {
    const bytes = Buffer.from([chunk("🦙 ha"), chunk('"\n'), chunk("é", "stop"), usage, "data: [DONE]\n\n"].join(""));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const stream = new EventStream();
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        for (let i = 1; i < edges.length; i++) stream.push(bytes.subarray(edges[i - 1], edges[i]), i);
        expect(stream.text()).toBe('🦙 ha"\né');
        expect(stream.chunkMs).toHaveLength(3);
        expect(stream.finishReason()).toBe("stop");
        expect(stream.done).toBe(true);
      }),
    );
  });

  it("reads CRLF, lines without a blank, and overlooks empty data, comments, names of events and ids", () => {
    const stream = new EventStream();
    const lines = [
      ...[": keep-alive", "", "event: message", "id: 7", "data:", "", "data: ", "", "data:    ", ""],
      ...[chunk("a").trim(), "", chunk("b").trim().replace("data: ", "data:"), "", "retry: 5", "data: [DONE]", "", ""],
    ];
    stream.push(Buffer.from(lines.join("\r\n")), 3);
    expect([stream.text(), stream.chunkMs, stream.done, stream.error]).toEqual(["ab", [3, 3], true, undefined]);
  });

  it("knows the model by the first event that says it, whatever empty lines come before", () => {
    const stream = new EventStream();
    stream.push(Buffer.from('data:\n\ndata: {"choices":[]}\n\ndata: {"model":"m","choices":[]}\n\n'), 1);
    expect(stream.model()).toBe("m");
  });

  it("without [DONE] is not done, and its reason is known all the same", () => {
    const stream = new EventStream();
    stream.push(Buffer.from(chunk("a") + chunk("", "stop")), 1);
    expect([stream.done, stream.finishReason(), stream.usage()]).toEqual([false, "stop", undefined]);
  });

  it("counts thoughts as pieces, under any of their names, and keeps them out of the text", () => {
    const stream = new EventStream();
    const thought = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
    stream.push(
      Buffer.from(
        thought({ reasoning_content: "Hm" }) +
          thought({ reasoning: "so", content: "" }) +
          thought({ reasoning_content: null, content: "" }),
      ),
      1,
    );
    stream.push(Buffer.from(chunk("Yes")), 2);
    expect([stream.chunkMs, stream.text()]).toEqual([[1, 1, 2], "Yes"]);
  });

  it("keeps an error event of mid-stream and is then not done", () => {
    const stream = new EventStream();
    stream.push(Buffer.from(`${chunk("a")}data: {"error":{"message":"engine gone"}}\n\n`), 1);
    expect(stream.error).toContain("engine gone");
    expect(stream.done).toBe(false);
  });
});
