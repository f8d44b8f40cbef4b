/**
 * A conversation of three turns, the server is stopped and started, then the fourth: how much of its prompt is computed again?
 * Ours is started with a folder for its cache; llama-server has nothing that does this by itself, so its figure is the whole prompt.
 */
import { type Message, type RequestRecord, streamChat } from "../../src/bench/measure/client.ts";
import { computedPromptTokens, type Figure, ms, percentile, ttfts } from "../../src/bench/measure/figures.ts";
import { words } from "../../src/bench/workloads/words.ts";
import type { Workload, WorkloadContext } from "../../src/bench/workloads/workload.ts";

const TURNS_BEFORE = 3;
const USER_WORDS = 150;
const TOKENS = 48;

export const restart: Workload = {
  name: "restart",
  summary: "3 turns of a conversation, a restart of the server, the 4th: prompt tokens computed again",
  clients: [1],
  fixedClients: true,
  needs: "restart",
  makesNoise: true,
  run,
  figures,
};

async function run(context: WorkloadContext): Promise<RequestRecord[]> {
  const { round, signal } = context;
  let target = context.target;
  const messages: Message[] = [];
  const records: RequestRecord[] = [];
  for (let turn = 0; turn <= TURNS_BEFORE && !signal.aborted; turn++) {
    if (turn === TURNS_BEFORE) target = await context.restart!();
    messages.push({ role: "user", content: `Go on: ${words(USER_WORDS, 5_000_000 + round * 10 + turn)}` });
    const group = turn === TURNS_BEFORE ? "after" : "before";
    const record = await streamChat(target, { messages, tokens: TOKENS, client: 0, group, signal });
    messages.push({ role: "assistant", content: record.text });
    records.push(record);
  }
  return records;
}

function figures(records: readonly RequestRecord[]): Figure[] {
  const after = records.filter((record) => record.group === "after");
  const last = records.filter((record) => record.group === "before").at(-1)?.usage;
  const now = after[0]?.usage;
  if (!last || !now) return [];
  const whole = now.promptTokens;
  const fresh = whole - last.promptTokens - last.completionTokens;
  // A server that does not tell what it had cached is taken to have had nothing.
  const computed = computedPromptTokens(after) ?? whole;
  const tokens = (name: string, value: number): Figure => ({ name, unit: "tokens", better: "lower", value });
  return [
    tokens("prompt tokens recomputed", computed),
    tokens("recomputed beyond the new turn", computed - fresh),
    tokens("prompt of the new turn", fresh),
    tokens("whole prompt", whole),
    ms("TTFT after the restart", percentile(ttfts(after), 0.5)),
    ms("TTFT before it", percentile(ttfts(records.filter((record) => record.group === "before")), 0.5)),
  ];
}
