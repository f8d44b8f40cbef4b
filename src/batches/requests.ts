/**
 * Lines of an input file → requests, or what is wrong with them, in the codes of OpenAI and Azure ("Batch failure codes" of its documents).
 * Called before a batch begins, for the whole file, and for each line when its turn comes. Source: the guide "Batch API" of OpenAI.
 */
import type { BatchEndpoint, BatchError } from "../contract/batches.ts";
import { excessOf } from "../contract/json-extent.ts";
import { type Line, readLines } from "./lines.ts";

export interface BatchRequest {
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Verdict {
  readonly errors: readonly BatchError[];
  readonly total: number;
  /** As the first line names it. */
  readonly model?: string;
}

/** OpenAI's. */
export const MAX_REQUESTS = 50_000;
const MAX_ID_LENGTH = 512;
/** More tell nobody more. */
const MAX_ERRORS = 100;

/** @param stopped looked at before each line. @returns undefined when it was stopped */
export async function validateInput(
  source: AsyncIterable<Uint8Array>,
  endpoint: BatchEndpoint,
  maxLineBytes: number,
  stopped: () => boolean = () => false,
): Promise<Verdict | undefined> {
  const errors: BatchError[] = [];
  const seen = new Set<string>();
  let total = 0;
  let model: unknown;
  for await (const line of readLines(source, maxLineBytes)) {
    if (stopped()) return undefined;
    if (isBlank(line)) continue;
    total++;
    if (total > MAX_REQUESTS) {
      errors.push({ code: "too_many_tasks", message: `The file has more than ${MAX_REQUESTS} requests.` });
      break;
    }
    const request = requestOf(line, endpoint);
    const error = "code" in request ? request : seen.has(request.customId) ? duplicate(request.customId) : undefined;
    if (error) errors.push({ ...error, line: line.number });
    if (errors.length >= MAX_ERRORS) break;
    if ("code" in request) continue;
    seen.add(request.customId);
    model ??= request.body.model;
  }
  if (total === 0) errors.push({ code: "empty_file", message: "The file has no requests." });
  return { errors, total, ...(typeof model === "string" && { model }) };
}

export function isBlank({ text }: Line): boolean {
  return text?.trim() === "";
}

export function requestOf({ text, problem }: Line, endpoint: BatchEndpoint): BatchRequest | BatchError {
  if (text === undefined) return { code: "invalid_json_line", message: `This line cannot be read: ${problem}.` };
  const excess = excessOf(text);
  if (excess !== undefined) return { code: "invalid_json_line", message: `This line cannot be taken: ${excess}.` };
  const value = parsed(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { code: "invalid_json_line", message: "This line is not a JSON object." };
  const { custom_id: customId, method, url, body } = value as Record<string, unknown>;
  if (typeof customId !== "string" || customId === "" || customId.length > MAX_ID_LENGTH)
    return missing("custom_id", `must be a text of 1 to ${MAX_ID_LENGTH} characters`);
  if (typeof method !== "string" || method.toUpperCase() !== "POST")
    return { code: "invalid_method", message: "The method must be POST.", param: "method" };
  if (url !== endpoint) return { code: "url_mismatch", message: `The url must be the endpoint of the batch, ${endpoint}.`, param: "url" };
  if (typeof body !== "object" || body === null || Array.isArray(body)) return missing("body", "must be an object");
  const fields = body as BatchRequest["body"];
  // In the background it would be answered at once with nothing, and go on beside all that holds batches back.
  const unfit = ["stream", "background"].find((name) => fields[name] === true);
  if (unfit !== undefined)
    return { code: "invalid_request", message: `A batch has whole answers only: ${unfit} cannot be true.`, param: `body.${unfit}` };
  return { customId, body: endpoint === "/v1/responses" ? unkept(fields) : fields };
}

/** Kept only if it says so itself: the answers of one batch would push out all conversations. */
function unkept(body: BatchRequest["body"]): BatchRequest["body"] {
  return body.store === true ? body : { ...body, store: false };
}

function missing(param: string, reason: string): BatchError {
  return { code: "missing_required_parameter", message: `The field ${param} ${reason}.`, param };
}

function duplicate(customId: string): BatchError {
  const message = `The custom_id '${customId}' is that of another request too. It must be unique in a batch.`;
  return { code: "duplicate_custom_id", message, param: "custom_id" };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
