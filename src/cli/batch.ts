/** `shimmy batch`: sends a file of requests to a running server, tells how far it is, fetches the answers. */
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants } from "node:fs/promises";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { WireBatch } from "../protocols/openai/batches.ts";
import type { WireFile } from "../protocols/openai/files.ts";
import { printable, printJson, printTable, writeAnswer } from "./output.ts";
import { type Remote, remote } from "./remote.ts";

export type BatchAction = "submit" | "list" | "show" | "cancel" | "results";

interface Flags {
  url?: string;
  json?: boolean;
}

/** @param what a file for submit, an id for show, cancel and results; only list needs none */
export async function batch(loaded: LoadedConfig, action: BatchAction, what: string, { url, json }: Flags): Promise<void> {
  const server = remote(loaded, url);
  if (action === "list") return list(server, json);
  if (action === "submit") return show(await submit(server, what), json);
  const path = `/v1/batches/${encodeURIComponent(what)}`;
  if (action === "cancel") return show((await server.ask("POST", `${path}/cancel`)) as WireBatch, json);
  const found = (await server.ask("GET", path)) as WireBatch;
  return action === "show" ? show(found, json) : results(server, found);
}

async function list(server: Remote, json: boolean | undefined): Promise<void> {
  const answer = (await server.ask("GET", "/v1/batches?limit=100")) as { data: WireBatch[] };
  if (json) return printJson(answer);
  const rows = answer.data.map(({ id, status, request_counts: { completed, failed, total }, endpoint }) =>
    [id, status, completed, failed, total, endpoint].map(String),
  );
  if (rows.length > 0) printTable([["BATCH", "STATUS", "DONE", "FAILED", "OF", "ENDPOINT"], ...rows]);
}

function show(found: WireBatch, json: boolean | undefined): void {
  if (json) printJson(found);
  else tell(found);
}

function tell({ id, status, request_counts: counts, errors }: WireBatch): void {
  process.stdout.write(`${id} is ${status}: ${counts.completed} done and ${counts.failed} failed of ${counts.total}\n`);
  for (const { line, message } of errors?.data ?? [])
    process.stderr.write(`${line === null ? "" : `line ${line}: `}${printable(message)}\n`);
}

/** Answers and errors as they are in their files, a JSON object a line. */
async function results(server: Remote, { status, output_file_id, error_file_id }: WireBatch): Promise<void> {
  const files = [output_file_id, error_file_id].filter((id) => id !== undefined);
  if (files.length === 0) process.stderr.write(`There are no results: the batch is ${status}.\n`);
  for (const id of files) {
    const decoder = new TextDecoder();
    for await (const piece of (await server.send(`/v1/files/${id}/content`)).body ?? [])
      writeAnswer(decoder.decode(piece, { stream: true }));
  }
}

async function submit(server: Remote, file: string): Promise<WireBatch> {
  await access(file, constants.R_OK).catch((cause: NodeJS.ErrnoException) => {
    throw invalid(`${file} cannot be read (${cause.code})`);
  });
  const endpoint = await endpointOf(file);
  const boundary = randomUUID();
  const body = ReadableStream.from(formOf(file, boundary));
  const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
  const uploaded = (await (await server.send("/v1/files", { method: "POST", headers, body, duplex: "half" })).json()) as WireFile;
  return (await server.ask("POST", "/v1/batches", { input_file_id: uploaded.id, endpoint, completion_window: "24h" })) as WireBatch;
}

/** As it is read, so that its size does not matter. */
async function* formOf(file: string, boundary: string): AsyncGenerator<Uint8Array, void, undefined> {
  const head = (name: string) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
  const filename = basename(file).replace(/["\r\n]/g, encodeURIComponent);
  yield Buffer.from(`${head("purpose")}\r\n\r\nbatch\r\n${head("file")}; filename="${filename}"\r\n\r\n`);
  yield* createReadStream(file);
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

/** What the first line asks for; the server judges it. */
async function endpointOf(file: string): Promise<string> {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (line.trim() === "") continue;
    try {
      const { url } = JSON.parse(line) as { url?: unknown };
      if (typeof url === "string") return url;
    } catch (cause) {
      throw invalid(`the first line of ${file} is no JSON: ${(cause as Error).message}`);
    }
    break;
  }
  throw invalid(`the first line of ${file} has no url`);
}

function invalid(reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param: "batch", reason });
}
