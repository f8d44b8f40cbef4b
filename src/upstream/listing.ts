/**
 * GET /v1/models of another server → what it has, and what kind of server it is. Called by upstream.ts. It must not know that there are
 * several. Fields: OpenAI's, and those that vLLM (`max_model_len`), llama-server (`meta`) and Shimmy (the rest) put beside them.
 */
import type { Capability, ModelInfo, ModelState } from "../contract/model.ts";
import { familyOf, parametersIn, quantizationIn } from "../models/names.ts";
import { isFields, UpstreamFailure } from "./failure.ts";

/** Which words beside OpenAI's a server knows. */
export type Dialect = "shimmy" | "llama-server" | "vllm" | "other";

export interface RemoteModel {
  /** As the upstream spells it. */
  readonly info: ModelInfo;
  readonly state: ModelState;
  readonly servedContext: number;
}

export interface Listing {
  readonly dialect: Dialect;
  readonly models: readonly RemoteModel[];
}

/** The longest list that one may send has room for no more. */
const MOST_MODELS = 65_536;
const LONGEST_ID = 256;

/** @throws UpstreamFailure for what is no list. Entries without a usable id are passed over. */
export function listingOf(text: string): Listing {
  const body = parsed(text);
  const list = isFields(body) ? body.data : undefined;
  if (!Array.isArray(list)) throw new UpstreamFailure("unwell", "its list of models cannot be read");
  const entries = list.slice(0, MOST_MODELS).filter(isFields);
  const [owner] = entries.map(({ owned_by }) => owned_by);
  const models = entries.flatMap((entry) => (isId(entry.id) ? [modelOf(entry, entry.id)] : []));
  return { dialect: DIALECTS[String(owner)] ?? "other", models };
}

const DIALECTS: Readonly<Record<string, Dialect>> = { shimmy: "shimmy", llamacpp: "llama-server", vllm: "vllm" };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UpstreamFailure("unwell", "its list of models is no JSON", { cause });
  }
}

function isId(id: unknown): id is string {
  return typeof id === "string" && id !== "" && id.length <= LONGEST_ID && !/\p{C}/u.test(id);
}

type Entry = Readonly<Record<string, unknown>>;

function modelOf(entry: Entry, id: string): RemoteModel {
  const meta = isFields(entry.meta) ? entry.meta : {};
  const context = [entry.max_model_len, entry.context_length, entry.context_window, meta.n_ctx, meta.n_ctx_train].map(count);
  const capabilities = capabilitiesOf(entry.capabilities);
  const info: ModelInfo = {
    id,
    path: "",
    source: "upstream",
    sizeBytes: count(entry.size) ?? count(meta.size) ?? 0,
    modifiedMs: (count(entry.created) ?? 0) * 1000,
    architecture: word(entry.architecture) ?? "unknown",
    family: word(entry.family) ?? familyOf(id) ?? "unknown",
    parameters: count(meta.n_params) ?? parametersIn(id) ?? 0,
    quantization: word(entry.quantization) ?? quantizationIn(id) ?? "unknown",
    contextLength: count(meta.n_ctx_train) ?? context.find((each) => each !== undefined) ?? 0,
    generative: entry.type !== "embeddings",
    kvBytesPerToken: 0,
    ...(capabilities.length > 0 && { capabilities }),
  };
  const told = isFields(entry.status) ? STATES.find((state) => state === (entry.status as Entry).value) : undefined;
  return { info, state: told ?? "loaded", servedContext: context.find((each) => each !== undefined) ?? 0 };
}

const STATES: readonly ModelState[] = ["unloaded", "loading", "loaded", "failed"];
const CAPABILITIES: readonly Capability[] = ["completion", "chat", "tools", "thinking", "fill-in-the-middle", "embedding", "reranking"];

function capabilitiesOf(told: unknown): Capability[] {
  return Array.isArray(told) ? CAPABILITIES.filter((capability) => told.includes(capability)) : [];
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function word(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w.+ -]{1,64}$/.test(value) ? value : undefined;
}
