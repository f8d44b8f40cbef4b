/**
 * A server that is to be measured: whether it is one, which models it has and which of them is meant, what it is. Called by run.ts before
 * anything is measured. It knows the words of OpenAI's API and, for versions and lengths, a few of the products'; nothing is believed.
 */
import { encodedPath } from "../contract/encoded-path.ts";
import { ShimmyError } from "../contract/errors.ts";
import { TimeLimit, timeLimit } from "../contract/time-limit.ts";
import { type Target, without } from "./measure/client.ts";

export interface ServerAddress {
  /** What precedes /v1. */
  readonly url: string;
  readonly key?: string | undefined;
  /** Of its process, where that is on this machine and can be seen. */
  readonly pid?: number | undefined;
}

export interface Model {
  readonly id: string;
  readonly aliases: readonly string[];
  /** False only where the server says so. */
  readonly generates: boolean;
  readonly contextTokens?: number;
}

export interface BenchServer {
  /** How tables call it. */
  readonly name: "this" | "against";
  readonly target: Target;
  readonly pid?: number;
  /** Nothing can be seen of its machine. */
  readonly elsewhere: boolean;
  /** "shimmy 0.1.0"; absent: it does not tell. */
  readonly version?: string;
  readonly contextTokens?: number;
}

interface Wanted {
  readonly name: BenchServer["name"];
  readonly model: string | undefined;
  /** The model of the other server: the same one here, if it is here. */
  readonly like?: string;
}

const LIMIT_MS = 10_000;
const MODELS_SHOWN = 20;

/** @throws target_unreachable; not_openai; server_refused; model_not_found; invalid_value when it has to be said which model is meant */
export async function openServer(address: ServerAddress, { name, model, like }: Wanted, signal: AbortSignal): Promise<BenchServer> {
  const { url } = address;
  const door = new Door(url, address.key, signal);
  const models = await modelsOf(door);
  const product = await productOf(door);
  const chosen = await choose(door, models, { name, model, like: like ?? product.defaultModel });
  // One may speak of all slots together.
  const contexts = [chosen.contextTokens, product.contextTokens].filter((tokens) => tokens !== undefined);
  return {
    name,
    target: {
      url,
      modelId: chosen.id,
      noEnd: { ignore_eos: true },
      ...(address.key !== undefined && { key: address.key }),
    },
    elsewhere: !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname),
    ...(address.pid !== undefined && { pid: address.pid }),
    ...(product.version !== undefined && { version: product.version }),
    ...(contexts.length > 0 && { contextTokens: Math.min(...contexts) }),
  };
}

/** One server, asked for what it says of itself. */
class Door {
  constructor(
    readonly url: string,
    private readonly key: string | undefined,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws target_unreachable */
  async ask(path: string): Promise<{ readonly status: number; readonly json: unknown; readonly text: string }> {
    const signal = AbortSignal.any([this.signal, timeLimit(LIMIT_MS)]);
    const headers = this.key === undefined ? {} : { authorization: `Bearer ${this.key}` };
    try {
      const response = await fetch(this.url + path, { headers, signal, redirect: "manual" });
      const text = this.clean(await response.text());
      return { status: response.status, json: parsed(text), text };
    } catch (cause) {
      throw new ShimmyError("target_unreachable", { url: this.url, reason: reasonOf(cause) }, { cause });
    }
  }

  /** What is not there is nothing. */
  async tell(path: string): Promise<Readonly<Record<string, unknown>>> {
    const { status, json } = await this.ask(path);
    return status === 200 ? record(json) : {};
  }

  clean(text: string): string {
    return without(this.key, text);
  }
}

/** @throws server_refused; not_openai */
async function modelsOf(door: Door): Promise<Model[]> {
  const { status, json, text } = await door.ask("/v1/models");
  if (status === 401 || status === 403) {
    const { message = text } = record(record(json).error);
    throw new ShimmyError("server_refused", { url: door.url, status, message: String(message).slice(0, 200) });
  }
  const { data } = record(json);
  if (status !== 200) throw new ShimmyError("not_openai", { url: door.url, reason: `GET /v1/models answered ${status}` });
  if (!Array.isArray(data)) throw new ShimmyError("not_openai", { url: door.url, reason: "GET /v1/models answered no list of models" });
  return data.flatMap((entry) => modelOf(record(entry)) ?? []);
}

function modelOf({ id, aliases, capabilities, type, ...entry }: Readonly<Record<string, unknown>>): Model | undefined {
  if (typeof id !== "string") return undefined;
  const can = strings(capabilities);
  const contextTokens = [entry.context_length, entry.max_model_len, record(entry.meta).n_ctx].map(count).find((n) => n !== undefined);
  return {
    id,
    aliases: strings(aliases),
    generates: type !== "embeddings" && (can.length === 0 || can.some((word) => /completion|chat|generat/.test(word))),
    ...(contextTokens !== undefined && { contextTokens }),
  };
}

interface Meant {
  readonly name: BenchServer["name"];
  readonly model: string | undefined;
  readonly like: string | undefined;
}

async function choose(door: Door, models: readonly Model[], { name, model, like }: Meant): Promise<Model> {
  const called = (wanted: string) => models.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
  const usable = models.filter(({ generates }) => generates);
  const available = usable.slice(0, MODELS_SHOWN).map(({ id }) => id);
  const listed = `${available.join(", ") || "none"}${usable.length > MODELS_SHOWN ? ", …" : ""}`;
  if (model !== undefined) {
    const found = called(model) ?? (await byOtherName(door, model));
    if (!found) throw new ShimmyError("model_not_found", { model, available: listed });
    if (!found.generates) throw new ShimmyError("model_not_generative", { model: found.id, what: "one for vectors" });
    return found;
  }
  const same = like === undefined ? undefined : usable.find(({ id }) => id === like);
  if (same) return same;
  if (usable.length === 0) throw new ShimmyError("model_not_found", { model: "", available: listed });
  if (usable.length === 1) return usable[0]!;
  const param = name === "this" ? "model" : "against-model";
  throw new ShimmyError("invalid_value", { param, reason: `say which of these models is meant: ${listed}` });
}

/** A name that answers although it is in no list, such as a pattern of aliases. */
async function byOtherName(door: Door, model: string): Promise<Model | undefined> {
  const found = modelOf(await door.tell(`/v1/models/${encodedPath(model)}`));
  return found && { ...found, id: model };
}

interface Product {
  readonly version?: string;
  /** That answers when a request names none. */
  readonly defaultModel?: string;
  /** Of one request. */
  readonly contextTokens?: number;
}

/** By the routes that each product has for it; all of them are cheap. */
async function productOf(door: Door): Promise<Product> {
  const [health, props] = [await door.tell("/health"), await door.tell("/props")];
  if (health.service === "shimmy") {
    const { model_alias } = props;
    return {
      version: `shimmy ${word(health.version) ?? ""}`,
      ...(typeof model_alias === "string" && { defaultModel: model_alias }),
    };
  }
  const build = word(props.build_info);
  if (build !== undefined) {
    const contextTokens = count(record(props.default_generation_settings).n_ctx);
    return { version: `llama-server ${build}`, ...(contextTokens !== undefined && { contextTokens }) };
  }
  const ollama = word((await door.tell("/api/version")).version);
  if (ollama !== undefined) return { version: `Ollama ${ollama}` };
  const vllm = word((await door.tell("/version")).version);
  return vllm === undefined ? {} : { version: `vLLM ${vllm}` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // whoever asked says what is missing
  }
}

/** `fetch` says only that it failed; its cause knows why. */
function reasonOf(error: unknown): string {
  if (error instanceof TimeLimit) return `no answer in ${error.ms / 1000} s`;
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** What a stranger calls a version may be anything. */
function word(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, 60) : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}
