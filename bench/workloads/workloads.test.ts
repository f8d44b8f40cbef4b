import { setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Message, RequestRecord } from "../../src/bench/measure/client.ts";
import { burst } from "../../src/bench/workloads/burst.ts";
import { json4, json4Diff, json4Text } from "../../src/bench/workloads/json.ts";
import { mixed } from "../../src/bench/workloads/mixed.ts";
import { shared8 } from "../../src/bench/workloads/shared8.ts";
import { turns } from "../../src/bench/workloads/turns.ts";
import type { Workload } from "../../src/bench/workloads/workload.ts";
import { copiedShare, edit, editText } from "./edit.ts";
import { restart } from "./restart.ts";
import { schemaEnum } from "./schema.ts";

interface Asked {
  readonly messages: readonly Message[];
  readonly max_tokens: number;
  readonly logit_bias?: unknown;
  readonly response_format?: { readonly json_schema: { readonly schema: unknown } };
}

/** A server that answers every request in chunks that are all different, all requests at once, and remembers what was asked. */
class FakeServer {
  readonly asked: Asked[] = [];
  readonly answers: string[] = [];
  most = 0;
  status = 200;
  #open = 0;
  readonly #http: Server = createServer((req, res) => void this.#answer(req, res));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    const address = this.#http.address();
    return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let text = "";
    for await (const part of req.setEncoding("utf8")) text += part;
    const body = JSON.parse(text) as Asked;
    const number = this.asked.push(body) - 1;
    if (this.status !== 200 && body.response_format) return void res.writeHead(this.status).end('{"error":{"message":"not yet"}}');
    this.most = Math.max(this.most, ++this.#open);
    let answer = "";
    for (let i = 0; i < body.max_tokens && !res.destroyed; i++) {
      const content = `a${number}.${i} `;
      answer += content;
      res.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.answers[number] = answer;
    this.#open--;
    const usage = { prompt_tokens: 100, completion_tokens: body.max_tokens, prompt_tokens_details: { cached_tokens: 90 } };
    res.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
  }
}

let server: FakeServer;
let url: string;
beforeEach(async () => {
  server = new FakeServer();
  url = await server.start();
});
afterEach(() => server.stop());

function run(workload: Workload, restarts: () => void = () => {}): Promise<RequestRecord[]> {
  const target = { url, modelId: "m" };
  const signal = AbortSignal.timeout(20_000);
  setMaxListeners(0, signal);
  const again = async () => {
    restarts();
    return target;
  };
  return workload.run({ target, clients: workload.clients[0]!, round: 1, signal, restart: again });
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

describe("schema-enum", () => {
  it("is refused with the server's words, and the readers' hanging up is no failure", async () => {
    server.status = 400;
    const records = await run(schemaEnum);
    const refused = records.find((r) => r.group === "schema")!;
    expect([refused.status, refused.error]).toEqual([400, 'status 400: {"error":{"message":"not yet"}}']);
    const readers = records.filter((r) => r.group === "reader");
    // This server is quick: readers who came to an end before asked again.
    expect(readers.map((r) => r.error)).toEqual(readers.map(() => undefined));
    expect(readers.filter((r) => r.cut).length).toBe(2);
  });
});

describe("restart", () => {
  it("restarts before the fourth turn, and tells what was computed beyond it", async () => {
    let askedBefore = 0;
    const records = await run(restart, () => {
      askedBefore = server.asked.length;
    });
    expect([askedBefore, server.asked.length, server.asked[3]!.messages.length]).toEqual([3, 4, 7]);
    const after = { ...records[3]!, usage: { promptTokens: 260, completionTokens: 48, cachedTokens: 147 } };
    const figures = restart.figures!([...records.slice(0, 3), after]);
    // 100 + 48 tokens were there; the last of them was never computed.
    expect(figures.slice(0, 3).map((f) => f.value)).toEqual([113, 1, 112]);
  });
});

describe("edit", () => {
  it("is a text of 300 words with a name that is to be changed, never the same beginning", () => {
    const { text, from, to } = editText(0, 0);
    expect([text.split(" ").length, text.includes(from), text.includes(to)]).toEqual([300, true, false]);
    const beginnings = [0, 1, 2].flatMap((round) => [0, 1].map((index) => editText(round, index).text.slice(0, 40)));
    expect(new Set(beginnings).size).toBe(6);
    expect(edit.needs).toBe("speculation");
  });

  it("knows what was copied", () => {
    expect(copiedShare("a b c d e", "x a b c d e y")).toBe(1);
    expect(copiedShare("a b c d x y z w", "a b c d")).toBeCloseTo(0.2);
    expect(copiedShare("", "a b c d")).toBe(0);
  });
});
