/** The session of the bare loop: `decode` only, for it knows no HTTP and no other work. Called by session.ts. */

import { noiseOf } from "../src/bench/measure/cpu-meter.ts";
import { QUIET_PATIENCE_MS, waitForQuiet } from "../src/bench/measure/machine.ts";
import { DECODE_TOKENS, decode, decodePrompt, requestsPerClient } from "../src/bench/workloads/decode.ts";
import type { BareTask } from "./bare-loop.ts";
import { bareFigures, runBareLoop } from "./contestants/bare.ts";
import type { BenchOptions } from "./options.ts";
import type { RunRecord, SessionPlan } from "./session.ts";

/** SmolLM2's own chat template, with the system turn that it adds, so that the bare loop has the servers' prompts. */
function rendered(user: string): string {
  const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  return `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`;
}

/** The bare loop knows decoding only; other workloads have no row for it. */
export async function bareSession(plan: SessionPlan, options: BenchOptions, scripts: string): Promise<RunRecord[]> {
  const records: RunRecord[] = [];
  for (const { workload, clients } of plan.cases) {
    if (workload !== decode) continue;
    const before = await waitForQuiet(QUIET_PATIENCE_MS);
    const count = options.requests ?? requestsPerClient(clients);
    const wave = (index: number) => Array.from({ length: clients }, (_, client) => rendered(decodePrompt(plan.round, client, index)));
    const task: BareTask = {
      model: plan.model.path,
      unified: plan.contestant === "bare-unified",
      context: options.context,
      slots: Math.max(clients, options.slots),
      tokens: DECODE_TOKENS,
      waves: Array.from({ length: count }, (_, index) => wave(index)),
    };
    const result = await runBareLoop(scripts, task, options.maxSeconds * 1000);
    const cpu = { contestant: result.cpu.own, bench: 0, others: result.cpu.others, stolen: result.cpu.stolen };
    const noise = noiseOf(before, false, cpu, result.wallMs);
    records.push({
      round: plan.round,
      model: plan.model.name,
      contestant: plan.contestant,
      workload: workload.name,
      clients,
      before,
      cpu,
      memory: undefined,
      figures: bareFigures(result),
      disturbed: noise.length > 0,
      problems: noise,
      requests: [],
    });
  }
  return records;
}
