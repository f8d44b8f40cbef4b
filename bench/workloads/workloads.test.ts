import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RequestRecord } from "../../src/bench/measure/client.ts";
import type { Workload } from "../../src/bench/workloads/workload.ts";
import { RecordingServer } from "../../test/support/recording-server.ts";
import { copiedShare, edit, editText } from "./edit.ts";
import { restart } from "./restart.ts";
import { schemaEnum } from "./schema.ts";

let server: RecordingServer;
let url: string;
beforeEach(async () => {
  server = new RecordingServer();
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
