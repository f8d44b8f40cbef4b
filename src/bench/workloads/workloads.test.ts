import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RecordingServer } from "../../../test/support/recording-server.ts";
import type { RequestRecord } from "../measure/client.ts";
import { burst } from "./burst.ts";
import { json4, json4Diff, json4Text } from "./json.ts";
import { casesOf, workloadsNamed } from "./list.ts";
import { mixed } from "./mixed.ts";
import { shared8 } from "./shared8.ts";
import { turns } from "./turns.ts";
import type { Workload } from "./workload.ts";

let server: RecordingServer;
let url: string;
beforeEach(async () => {
  server = new RecordingServer();
  url = await server.start();
});
afterEach(() => server.stop());

function run(workload: Workload): Promise<RequestRecord[]> {
  const target = { url, modelId: "m" };
  const signal = AbortSignal.timeout(20_000);
  setMaxListeners(0, signal);
  return workload.run({ target, clients: workload.clients[0]!, round: 1, signal });
}

/** How many were sent before anybody had an answer. */
function together(records: readonly RequestRecord[]): number {
  const first = Math.min(...records.map((r) => r.firstByteMs!));
  return records.filter((r) => r.sentMs < first).length;
}

describe("turns", () => {
  it("is 12 conversations of 4 turns, 6 at a time, each turn with the answers that were really given", async () => {
    const records = await run(turns);
    expect([records.length, server.most <= 6, together(records)]).toEqual([48, true, 6]);
    expect(records.filter((r) => r.error !== undefined)).toEqual([]);
    for (const { messages } of server.asked) {
      const before = messages.filter((m) => m.role === "assistant").map((m) => m.content);
      expect(messages).toHaveLength(2 * before.length + 1);
      for (const text of before) expect(server.answers).toContain(text);
    }
    const lengths = server.asked.map(({ messages }) => messages.length);
    expect([1, 3, 5, 7].map((n) => lengths.filter((length) => length === n).length)).toEqual([12, 12, 12, 12]);
    // A conversation comes back after others: more are alive than are asked at once.
    expect(lengths.slice(0, 12)).toEqual(Array(12).fill(1));
    expect(turns.figures!(records).find((f) => f.name === "prompt tokens computed")?.value).toBe(480);
  });
});

describe("shared8", () => {
  it("is 8 clients at once with one system prompt of 500 words and a question each", async () => {
    const records = await run(shared8);
    expect([records.length, together(records)]).toEqual([8, 8]);
    expect(new Set(server.asked.map(({ messages }) => messages[0]!.content)).size).toBe(1);
    expect(server.asked[0]!.messages[0]!.content.split(" ")).toHaveLength(500);
    expect(new Set(server.asked.map(({ messages }) => messages[1]!.content)).size).toBe(8);
    expect(server.asked.map((asked) => asked.max_tokens)).toEqual(Array(8).fill(48));
  });
});

describe("burst", () => {
  it("is 64 different requests in the same moment", async () => {
    const records = await run(burst);
    expect([records.length, together(records), new Set(records.map((r) => r.promptHash)).size]).toEqual([64, 64, 64]);
    expect(burst.figures!(records)[0]).toMatchObject({ name: "finished", value: 64 });
  });
});

describe("mixed", () => {
  it("sends the newcomer when all four read", async () => {
    const records = await run(mixed);
    const newcomer = records.find((r) => r.group === "newcomer")!;
    const readers = records.filter((r) => r.group === "reader");
    expect(readers).toHaveLength(4);
    for (const reader of readers) {
      expect(reader.chunkMs[15]!).toBeLessThanOrEqual(newcomer.sentMs);
      expect(reader.endMs).toBeGreaterThan(newcomer.sentMs);
    }
  });

  it("counts only the gaps while the newcomer's prompt is computed", () => {
    const about = { client: 0, promptHash: "", status: 200, text: "", maxTokens: 5 };
    const reader = { ...about, group: "reader", sentMs: 0, chunkMs: [10, 500, 520, 600, 2000], endMs: 2000 };
    const newcomer = { ...about, group: "newcomer", sentMs: 510, chunkMs: [590, 591], endMs: 700 };
    expect(mixed.figures!([reader, newcomer])[0]).toMatchObject({ name: "readers' largest gap", value: 80 });
  });
});

describe("the JSON workloads", () => {
  it("ask with one schema, with different ones, and with none, with the same prompts", async () => {
    const schemas: number[] = [];
    const prompts: string[][] = [];
    for (const workload of [json4, json4Diff, json4Text]) {
      const from = server.asked.length;
      await run(workload);
      const asked = server.asked.slice(from);
      schemas.push(new Set(asked.flatMap((a) => (a.response_format ? [JSON.stringify(a.response_format)] : []))).size);
      prompts.push(asked.map(({ messages }) => messages[0]!.content).sort());
    }
    expect(schemas).toEqual([1, 16, 0]);
    expect(prompts[1]).toEqual(prompts[0]);
    expect(prompts[2]).toEqual(prompts[0]);
  });

  it("say so when the answers were not constrained", async () => {
    expect(json4.problems!(await run(json4))[0]).toContain("16 answers do not follow their schema");
  });
});

describe("the named workloads", () => {
  it("say how much they do: as many tokens as they then ask for, at any share", async () => {
    for (const share of [1, 0.25]) {
      for (const { workload, clients } of casesOf(workloadsNamed("all"), [2], share)) {
        const from = server.asked.length;
        const signal = AbortSignal.timeout(20_000);
        setMaxListeners(0, signal);
        await workload.run({ target: { url, modelId: "m" }, clients, round: 3, share, signal });
        const asked = server.asked.slice(from).reduce((sum, { max_tokens }) => sum + max_tokens, 0);
        expect([workload.name, workload.work({ share }, clients).tokens]).toEqual([workload.name, asked]);
      }
    }
  });

  it("are chosen by name, in their own order, and a near miss is named", () => {
    expect(workloadsNamed("json,decode").map(({ name }) => name)).toEqual(["decode", "json"]);
    expect(() => workloadsNamed("mixd")).toThrow("There is no workload 'mixd', perhaps 'mixed'; there are decode, shared");
  });
});
