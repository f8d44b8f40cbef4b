/** `shimmy ps`: what a running server has loaded. */
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import type { WireStatus } from "../server/api/lifecycle.ts";
import { printJson, printTable } from "./output.ts";
import { noShimmy, remote } from "./remote.ts";

interface Answer {
  readonly models: readonly WireStatus[];
  readonly memory: { readonly used_bytes: number; readonly budget_bytes: number };
}

export async function ps(loaded: LoadedConfig, flags: { url?: string; json?: boolean }): Promise<void> {
  const server = remote(loaded, flags.url);
  const answer = (await server.ask("GET", "/api/ps")) as Partial<Answer>;
  // Ollama has such a route too, and says other things there.
  if (!isAnswer(answer)) throw noShimmy(server.url);
  if (flags.json) return printJson(answer);
  if (answer.models.length > 0)
    printTable([["MODEL", "STATE", "MEMORY", "CONTEXT", "SLOTS", "LAST USE", "UNTIL"], ...answer.models.map(row)]);
  const { used_bytes, budget_bytes } = answer.memory;
  process.stderr.write(`${answer.models.length} loaded, ${size(used_bytes)} of ${size(budget_bytes)} counted\n`);
}

function isAnswer(answer: Partial<Answer>): answer is Answer {
  return Array.isArray(answer.models) && typeof answer.memory?.used_bytes === "number";
}

function row(status: WireStatus): string[] {
  const { model, state, progress, memory_bytes, resident_bytes, context_length, running, slots, last_used_at, expires_at, pinned } = status;
  return [
    model,
    progress ? `${state} (${progress.phase})` : status.leaving ? "leaving" : state,
    size(resident_bytes ?? memory_bytes ?? 0),
    String(context_length),
    slots === undefined ? "-" : `${running}/${slots}`,
    last_used_at ? `${away(Date.parse(last_used_at) - Date.now())} ago` : "-",
    pinned ? "pinned" : expires_at ? `in ${away(Date.parse(expires_at) - Date.now())}` : "needed",
  ];
}

function away(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
