/** After deployment: health, access, discovery, a generation, memory and speed under way. Called by checks.ts, last. */
import { isLoopback } from "../../config/listen.ts";
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { counted, megabytes, milliseconds } from "../figures.ts";
import { memoryOf } from "../processes.ts";
import { judge, QUESTION, textModel } from "./api.ts";
import { processesOf } from "./processes.ts";
import { askModel, streamOfModel } from "./questions.ts";
import { serverAt } from "./server.ts";
import { chatProblem, listed, messageOf, record } from "./shapes.ts";
import { asked, strangeness } from "./silence.ts";
import type { Answer, ModelFacts, Server, Subject } from "./subject.ts";

/** The template's alert `request_latency_p95`, for the first token and for all of a short answer. */
const LATENCY_MS = 5000;
/** The template's alert `memory_usage: >expected_model_size + 100MB`. */
const MEMORY_MARGIN = 100e6;

export function runningChecks(group: string, subject: Subject): Check[] {
  const check = (name: string, run: () => Promise<Finding>): Check => ({ group, name, run: () => asked(subject, run) });
  const { server } = subject;
  let latencies: Promise<Latencies | string> | undefined;
  /** Of one streamed answer. */
  const measured = async (judgeIt: (latencies: Latencies) => Finding) => {
    latencies ??= textModel(subject).then(async (model) => (typeof model === "string" ? model : latenciesOf(server, model.id)));
    const found = await latencies;
    return typeof found === "string" ? unmeasured(found) : judgeIt(found);
  };
  return [
    { group, name: "health", run: async () => subject.dead ?? judgeHealth(await server.ask("/health"), server.url) },
    { group, name: "access", run: () => subject.refused ?? asked(subject, access) },
    check("model discovery", async () => judgeListed(await server.ask("/v1/models"))),
    check("generation", async () => {
      const model = await textModel(subject);
      if (typeof model === "string") return noText(model, await subject.models());
      const answer = await askModel(server, "/v1/chat/completions", { ...QUESTION, model: model.id });
      return judge(answer, chatProblem, ({ json, ms }) => `${model.id}: ${tokensOf(json)} tokens in ${milliseconds(ms)}`);
    }),
    check("time to first token", () => measured(({ firstMs }) => judgeFirstToken(firstMs))),
    check("total latency", () => measured(({ totalMs }) => judgeTotal(totalMs))),
    check("memory in use", () => memoryInUse(subject)),
  ];
}

/** A server of embedding models alone is one that somebody wants. */
export function noText(why: string, { models }: Pick<ModelFacts, "models">): Finding {
  const command = "shimmy pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0";
  if (models.length === 0) return fail("there is no model that generates text", "Pull one.", { command });
  if (models.some(({ generates }) => generates)) return unmeasured(why);
  return unmeasured("no model here generates text", { advice: "Where you want text, pull a model that writes some.", command });
}

/** Whether others need a key: asked without one. */
async function access(server: Server): Promise<Finding> {
  const { status } = await serverAt(server.url, undefined).ask("/v1/models");
  return judgeAccess(status, isLoopback(new URL(server.url).hostname));
}

export function judgeAccess(status: number, local: boolean): Finding {
  const limit = "open to this machine only, or by key";
  if (status !== 200) return pass("by key, and the given one is right", { limit });
  if (local) return pass("asked at an address of this machine, without a key", { limit });
  const advice = "Whoever reaches it may use it: set --api-key, or let a proxy in front of it ask who they are.";
  return warn("other machines need no key", advice, { limit, command: "shimmy serve --api-key KEY" });
}

export function judgeHealth(answer: Answer, url: string): Finding {
  const { json, ms } = answer;
  const limit = "status ok";
  const body = record(json);
  const strange = strangeness(answer, url);
  if (strange || !body) return strange ?? fail("no JSON", "Look into the server's log.", { limit });
  const entries = listed(body.degraded).map((each) => record(each) ?? {});
  const degraded = entries.map(({ backend, upstream, part, reason }) => `${backend ?? part ?? `upstream ${upstream}`}: ${reason}`);
  if (body.status === "loading") return warn("it loads the models of --preload", "Wait until it is ready.", { limit });
  if (body.status !== "ok") return fail(`it is ${String(body.status)}`, "It ends: start another.", { limit, command: "shimmy serve" });
  if (entries.some(({ part }) => part === "package"))
    return fail(`degraded: ${degraded.join("; ")}`, "Restart the server: requests that need what it had not loaded fail.", { limit });
  if (degraded.length > 0)
    return warn(`degraded: ${degraded.join("; ")}`, "Others answer instead, slower.", { limit, command: "shimmy doctor" });
  return pass(`ok in ${milliseconds(ms)}, version ${String(body.version)}`, { limit });
}

export function judgeListed({ status, json }: Answer): Finding {
  const limit = "≥ 1 in /v1/models";
  if (status !== 200) return fail(`status ${status}: ${messageOf(json) ?? "no list"}`, "Look into the server's log.", { limit });
  const { length } = listed(record(json)?.data);
  return length > 0
    ? pass(counted(length, "model"), { limit, value: length })
    : fail("the list is empty", "Put GGUF files into ./models, or name their folder with --model-dirs.", {
        limit,
        value: 0,
        command: "shimmy discover",
      });
}

export function judgeFirstToken(ms: number | undefined): Finding {
  const limit = `≤ ${LATENCY_MS / 1000} s (model loaded)`;
  if (ms === undefined) return fail("no text came", "Look into the server's log.", { limit });
  return ms <= LATENCY_MS
    ? pass(milliseconds(ms), { limit, value: ms })
    : fail(milliseconds(ms), "Take a smaller model or quantisation, or a GPU.", { limit, value: ms, command: "shimmy gpu-info" });
}

/** A warning, since how long an answer may take depends on who waits for it. */
export function judgeTotal(ms: number): Finding {
  const more = { value: ms, limit: `≤ ${LATENCY_MS / 1000} s for ${QUESTION.max_tokens} tokens` };
  if (ms <= LATENCY_MS) return pass(milliseconds(ms), more);
  const advice = "The template's alert request_latency_p95 would fire: set it to what your users bear, or take a smaller model or a GPU.";
  return warn(milliseconds(ms), advice, { ...more, command: "shimmy plan" });
}

/** Milliseconds since the request. */
interface Latencies {
  /** Absent: no text came. */
  readonly firstMs?: number;
  readonly totalMs: number;
}

async function latenciesOf(server: Server, model: string): Promise<Latencies> {
  let body = "";
  let firstMs: number | undefined;
  let totalMs = 0;
  for await (const { text, ms } of streamOfModel(server, "/v1/chat/completions", { ...QUESTION, model })) {
    body += text;
    if (/"(content|reasoning_content)":"[^"]/.test(body)) firstMs ??= ms;
    totalMs = ms;
  }
  return { totalMs, ...(firstMs !== undefined && { firstMs }) };
}

async function memoryInUse(subject: Subject): Promise<Finding> {
  const limit = "≤ what the loaded models need + 100 MB";
  const tree = await processesOf(subject);
  if (typeof tree === "string") return unmeasured(tree, { limit });
  const loaded = listed(record((await subject.server.ask("/api/ps")).json)?.models);
  const expected = loaded.reduce<number>((sum, each) => sum + Number(record(each)?.memory_bytes ?? 0), 0);
  const used = tree.reduce((sum, each) => sum + (memoryOf(each)?.proportional ?? 0), 0);
  return used === 0 ? unmeasured("its process belongs to another user", { limit }) : judgeUse(used, expected, loaded.length);
}

export function judgeUse(used: number, expected: number, models: number): Finding {
  const more = { value: used, limit: `≤ ${megabytes(expected)} + 100 MB` };
  const measured = `${megabytes(used)} with ${counted(models, "model")}`;
  return used <= expected + MEMORY_MARGIN
    ? pass(measured, more)
    : fail(measured, "Lower --ctx or --cache-ram, or report it.", { ...more, command: "shimmy ps" });
}

function tokensOf(json: unknown): number {
  return Number(record(record(json)?.usage)?.completion_tokens ?? 0);
}
