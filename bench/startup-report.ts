/** Start-up records → the table of the constitution: medians, and the limits beside them. Pure; called by run.ts. */
import { number, table } from "../src/bench/format.ts";
import { median } from "../src/bench/measure/figures.ts";
import { STARTERS, type Starter, type StartupRecord } from "./startup.ts";
import { IDLE_MEMORY_LIMIT_MB, LOADED_MEMORY_LIMIT, LOADED_STARTUP_LIMIT, STARTUP_LIMIT_MS, STARTUP_LIMIT_TIMES_BARE } from "./targets.ts";

export interface StartupRow {
  readonly starter: Starter;
  readonly samples: number;
  readonly healthyMs: number;
  readonly firstTokenMs?: number;
  readonly rss: number;
  readonly pss: number;
  readonly privateDirty: number;
  readonly processes: number;
}

export function summariseStartup(records: readonly StartupRecord[]): StartupRow[] {
  return STARTERS.flatMap((starter) => {
    const own = records.filter((record) => record.starter === starter);
    if (own.length === 0) return [];
    const of = (pick: (record: StartupRecord) => number) => median(own.map(pick));
    const firsts = own.flatMap((record) => record.firstTokenMs ?? []);
    return [
      {
        starter,
        samples: own.length,
        healthyMs: of((r) => r.healthyMs),
        ...(firsts.length > 0 ? { firstTokenMs: median(firsts) } : {}),
        rss: of((r) => r.memory.rss),
        pss: of((r) => r.memory.pss),
        privateDirty: of((r) => r.memory.privateDirty),
        processes: Math.max(...own.map((r) => r.memory.processes)),
      },
    ];
  });
}

export function startupTable(rows: readonly StartupRow[]): string {
  const head = ["start-up (medians)", "n", "healthy ms", "first token ms", "RSS MB", "PSS MB", "private dirty MB", "processes"];
  const body = rows.map((row) => [
    row.starter,
    String(row.samples),
    ...[row.healthyMs, row.firstTokenMs, row.rss, row.pss, row.privateDirty].map(number),
    String(row.processes),
  ]);
  return table([head, ...body]);
}

/** The limits, each with what was measured. */
export function startupVerdicts(rows: readonly StartupRow[]): string[] {
  const [bare, idle, loaded, reference] = STARTERS.map((starter) => rows.find((row) => row.starter === starter));
  const lines: string[] = [];
  if (bare && idle) {
    const times = idle.healthyMs / bare.healthyMs;
    const quick = idle.healthyMs <= STARTUP_LIMIT_MS || times <= STARTUP_LIMIT_TIMES_BARE;
    const limit = `${STARTUP_LIMIT_MS} ms or ${STARTUP_LIMIT_TIMES_BARE}x bare`;
    lines.push(verdict("idle start-up", `${number(idle.healthyMs)} ms = ${times.toFixed(2)}x bare`, limit, quick));
    const extra = idle.privateDirty - bare.privateDirty;
    lines.push(
      verdict("idle private memory above bare", `${extra.toFixed(2)} MB`, `${IDLE_MEMORY_LIMIT_MB} MB`, extra <= IDLE_MEMORY_LIMIT_MB),
    );
    lines.push(verdict("processes while no model is loaded", String(idle.processes), "1", idle.processes === 1));
  }
  if (loaded && reference) {
    const ratios = [loaded.healthyMs / reference.healthyMs, loaded.rss / reference.rss] as const;
    lines.push(share("start-up with the model, of llama-server's", ratios[0], LOADED_STARTUP_LIMIT));
    lines.push(share("RSS with the model, of llama-server's", ratios[1], LOADED_MEMORY_LIMIT));
    if (loaded.processes < 2) lines.push("! ours says it is loaded but has no engine process");
  }
  return lines;
}

function share(what: string, ratio: number, limit: number): string {
  return verdict(what, `${ratio.toFixed(2)}x`, `${limit}x`, ratio <= limit);
}

function verdict(what: string, measured: string, limit: string, reached: boolean): string {
  return `${reached ? "reached" : "MISSED "}  ${what}: ${measured} (limit ${limit})`;
}
