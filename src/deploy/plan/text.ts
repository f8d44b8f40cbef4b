/** A plan in words. Called by cli/plan.ts and by the integration specification, so that both say the same. */
import type { Wave } from "./measurement.ts";
import { MEMORY_MARGIN, UTILISATION_LIMIT } from "./planner.ts";
import type { PlanReport } from "./report.ts";

/** Said instead of a number that there is none for. */
export const NOT_TOLD = "not measured (this system does not tell it)";

export type Row = readonly [name: string, text: string];

/** What the template asks for under "Resource Planning", and beside that slots and replicas. */
export function resourceRows(report: PlanReport): readonly Row[] {
  return [
    ["Memory", memoryText(report)],
    ["CPU", cpuText(report)],
    ["GPU", gpuText(report)],
    ["Network", networkText(report)],
    ["Slots", slotsText(report)],
    ["Replicas", replicasText(report)],
  ];
}

export function measuredRows({ measured }: PlanReport): readonly Row[] {
  const { memory } = measured;
  return [
    ["Start-up", `${milliseconds(measured.startMs)} to the ready line`],
    ["Base memory", `${mebibytes(memory.baseBytes)} resident, ${mebibytes(memory.aboveNodeBytes)} above an empty server of the same Node`],
    ["Model load", milliseconds(measured.loadMs)],
    ["Model memory", `${mebibytes(memory.loadedBytes)} after loading, ${mebibytes(memory.peakBytes)} at the end of the run`],
    ...measured.waves.map((wave): Row => [`${wave.clients} ${wave.clients === 1 ? "client" : "clients"}`, waveText(wave)]),
  ];
}

function waveText({ promptTokens, ttftMs, prefillPerSecond, decodePerSecond, busyCores }: Wave): string {
  const busy = busyCores === undefined ? "" : `, ${busyCores.toFixed(1)} cores busy`;
  const prompts = `first token after ${milliseconds(ttftMs)} with prompts of ${promptTokens} tokens`;
  return `${prompts}; ${rounded(prefillPerSecond)} prompt tokens/s, ${rounded(decodePerSecond)} answer tokens/s together${busy}`;
}

function memoryText({ plan: { memory, slots }, machine, traffic, given, measured }: PlanReport): string {
  if (!memory) {
    const cells = mebibytes(slots * (traffic.promptTokens + traffic.answerTokens) * given.kvBytesPerToken);
    return `base and model: ${NOT_TOLD}; context buffer ${cells}, cache ${mebibytes(given.storeBytes)}`;
  }
  const parts = [
    `base ${mebibytes(memory.baseBytes)}`,
    `model and engine ${mebibytes(memory.modelBytes)}`,
    `context buffer ${mebibytes(memory.contextBytes)} (${slots} × ${traffic.promptTokens + traffic.answerTokens} tokens)`,
    `cache of put-aside conversations ${mebibytes(memory.storeBytes)} (--cache-ram)`,
    `${mebibytes(memory.marginBytes)} to spare (at least ${MEMORY_MARGIN * 100}%)`,
  ];
  const fits = memory.fits ? "" : `; MORE THAN the ${mebibytes(machine.availableBytes)} available here`;
  const above = measured.memory.aboveNodeBytes;
  const own = above === undefined ? "" : `; of the base ${mebibytes(above)} are above an empty Node server`;
  return `${mebibytes(memory.bytes)} an instance = ${parts.join(" + ")}${own}${fits}`;
}

function cpuText({ plan: { cores }, machine, given, measured }: PlanReport): string {
  const here = `here: ${machine.processor}, ${count(machine.cores, "core")}`;
  if (!cores.measured) return `${count(cores.count, "core")} an instance, as the engine has threads (use: ${NOT_TOLD}); ${here}`;
  const busy = Math.max(...measured.waves.map(({ busyCores = 0 }) => busyCores));
  return `${count(cores.count, "core")} an instance: the engine has ${count(given.threads, "thread")}, the run kept ${busy.toFixed(1)} cores busy; ${here}`;
}

function gpuText({ machine: { gpus, usesGpu, installable }, plan }: PlanReport): string {
  if (usesGpu) return `${gpus.join(", ")}: used for as much of the model as fits it, and so measured`;
  const needed = plan.reachable ? "none needed" : "the stated time needs one, or a faster processor";
  const here = gpus.length === 0 ? "no engine finds one here" : `there is ${gpus.join(", ")}`;
  const more = installable.length > 0 ? `; to add a backend: ${installable.join(" or ")}` : "";
  return `${needed}: measured on the processor; ${here}${more}`;
}

function networkText({ plan: { network }, measured }: PlanReport): string {
  const each = `${Math.round(measured.requestBytesPerPromptToken)} bytes a prompt token in, ${Math.round(measured.responseBytesPerToken)} a streamed token out (measured)`;
  if (!network) return `not planned: no traffic was stated (--rps); ${each}`;
  return `${bits(network.inBits)} in, ${bits(network.outBits)} out for all instances together; ${each}`;
}

function slotsText({ plan: { slots, contextTokens, contextFits }, measured: { slots: served, waves }, model }: PlanReport): string {
  const fits = contextFits ? "" : `; PROMPT AND ANSWER DO NOT FIT the ${contextTokens} tokens of context (--ctx)`;
  const beyond = `; ${contextTokens} TOKENS OF CONTEXT ARE MORE than the ${model.contextLength} that the model was trained for: answers beyond them are poor`;
  const context = contextTokens > model.contextLength ? `${fits}${beyond}` : fits;
  const most = slots < waves.at(-1)!.clients && slots < served ? "more gain little speed here" : "more were not measured";
  return `${slots} (--parallel ${slots}): ${most}; the server chose ${served}${context}`;
}

function replicasText({ plan, traffic }: PlanReport): string {
  const capacity = `one instance answers ${rate(plan.capacityPerSecond)} at ${UTILISATION_LIMIT * 100}% of its speed`;
  const alone = `a request alone takes ${seconds(plan.aloneSeconds)}`;
  if (plan.replicas === undefined) return `not planned: no traffic was stated (--rps); ${capacity}; ${alone}`;
  const many = plan.replicas === 1 ? "1" : `${plan.replicas}, each on a machine like this one`;
  const expected = `${Math.round((plan.utilisation ?? 0) * 100)}% used, 95% of requests within ${seconds(plan.p95Seconds ?? 0)} expected`;
  const missed = plan.reachable
    ? ""
    : `; NO NUMBER of instances keeps ${seconds(traffic.p95Seconds ?? 0)}: take a smaller model, shorter answers or faster hardware`;
  return `${many}: ${expected}; ${capacity}; ${alone}${missed}`;
}

export function trafficText({ traffic }: PlanReport): string {
  const { requestsPerSecond, p95Seconds, promptTokens, answerTokens, assumed } = traffic;
  const note = (name: "promptTokens" | "answerTokens") => (assumed.includes(name) ? " (assumed)" : "");
  const often = requestsPerSecond === undefined ? "not stated (--rps)" : rate(requestsPerSecond);
  const limit = p95Seconds === undefined ? "no limit of time stated (--p95)" : `95% answered within ${seconds(p95Seconds)}`;
  return `${often}, ${promptTokens} prompt${note("promptTokens")} and ${answerTokens} answer tokens${note("answerTokens")} each; ${limit}`;
}

/** How the numbers were found, for whoever doubts them. */
export const FORMULA = [
  `A request takes P/F(c) + A/D(c) of an instance's time: P prompt tokens at F(c) tokens/s, A answer tokens at D(c) tokens/s while c are worked on.`,
  `μ(c) = 1/(P/F(c) + A/D(c)). At most ${UTILISATION_LIMIT * 100}% of μ(slots) is planned for; slots is the least c with 98% of the best μ.`,
  "Poisson arrivals at λ per instance: n requests are there with probability ∝ Πλ/μ(min(i, slots)), i = 1…n (M/M/s with measured rates).",
  "p95 = (n+1)/μ(min(n+1, slots)) with n its 95th percentile; replicas is the least number that keeps both limits.",
] as const;

export function milliseconds(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function seconds(value: number): string {
  return milliseconds(value * 1000);
}

export function mebibytes(bytes: number | undefined): string {
  if (bytes === undefined) return NOT_TOLD;
  const value = bytes / 1024 ** 2;
  return value < 10 ? `${value.toFixed(1)} MiB` : `${Math.round(value)} MiB`;
}

function bits(perSecond: number): string {
  return perSecond < 1e6 ? `${Math.ceil(perSecond / 1e3)} kbit/s` : `${(perSecond / 1e6).toFixed(1)} Mbit/s`;
}

function rate(perSecond: number): string {
  if (perSecond >= 1) return `${rounded(perSecond)} requests/s`;
  const [unit, value] = perSecond >= 1 / 60 ? ["min", perSecond * 60] : ["hour", perSecond * 3600];
  return `${value < 0.1 ? value.toPrecision(1) : rounded(value)} requests/${unit}`;
}

function rounded(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}

function count(value: number, word: string): string {
  return `${value} ${word}${value === 1 ? "" : "s"}`;
}
