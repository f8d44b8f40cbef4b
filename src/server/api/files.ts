/**
 * /v1/files as OpenAI has it. An upload goes to the disk as it arrives; nothing of it is left if it is wrong or breaks off.
 * With API keys each caller sees its own files only.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { FileDraft, Files, ReceivedFile, StoredFile } from "../../contract/files.ts";
import { decodeFileFields, encodeFile, encodeFiles, fileQuery, fileSchema, fileUploadSchema } from "../../protocols/openai/files.ts";
import { pageAnswer } from "../../protocols/openai/page.ts";
import { boundaryOf, multipart, type Part } from "../multipart.ts";
import type { Services } from "../services.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const TAG = "Files and batches";
/** Of a text field of an upload. */
const MAX_FIELD_BYTES = 4096;
/** What a multipart body has around its file. */
const FORM_BYTES = 256 * 1024;
const MAX_NAME_LENGTH = 255;

const deletedSchema = z.object({ id: z.string(), object: z.literal("file"), deleted: z.literal(true) });

export const FILE_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/files",
    doc: { summary: "Upload a file", tag: TAG, bodyType: "multipart/form-data", body: fileUploadSchema, answer: fileSchema },
    handle: async (services, call) => Response.json(encodeFile(await upload(services, call))),
  },
  {
    method: "GET",
    path: "/v1/files",
    doc: { summary: "List the files", tag: TAG, query: fileQuery, answer: pageAnswer(fileSchema) },
    handle: async ({ jobs }, { query, caller }) => Response.json(encodeFiles(await (await jobs.files()).list(caller), query)),
  },
  {
    method: "GET",
    path: "/v1/files/:id",
    doc: { summary: "What a file is", tag: TAG, answer: fileSchema },
    handle: async ({ jobs }, { params, caller }) => Response.json(encodeFile(await (await jobs.files()).get(params.id ?? "", caller))),
  },
  {
    method: "GET",
    path: "/v1/files/:id/content",
    doc: { summary: "The content of a file", tag: TAG, answerType: "application/octet-stream" },
    handle: async ({ jobs }, { params, caller, request }) => {
      const files = await jobs.files();
      // Nobody reads the body of an answer to HEAD, and what is open would stay so.
      if (request.method === "HEAD") return new Response(null, { headers: contentHeaders(await files.get(params.id ?? "", caller)) });
      const { file, content } = await files.open(params.id ?? "", caller);
      return new Response(ReadableStream.from(content), { headers: contentHeaders(file) });
    },
  },
  {
    method: "DELETE",
    path: "/v1/files/:id",
    doc: { summary: "Delete a file", tag: TAG, answer: deletedSchema },
    handle: async ({ jobs }, { params, caller }) => {
      const id = params.id ?? "";
      await (await jobs.files()).remove(id, caller);
      return Response.json({ id, object: "file", deleted: true });
    },
  },
];

/** Somebody else's page must not become one of this origin. */
function contentHeaders({ bytes }: StoredFile): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "x-content-type-options": "nosniff",
    "content-length": String(bytes),
  };
}

async function upload({ jobs, config, state }: Services, { request, caller }: ApiCall) {
  if (state() === "draining") throw new ShimmyError("shutting_down");
  const store = await jobs.files();
  const boundary = boundaryOf(request.headers.get("content-type"));
  // Known before a byte of it is read.
  if (Number(request.headers.get("content-length")) > config.maxFileSize + FORM_BYTES)
    throw new ShimmyError("file_too_large", { limit: config.maxFileSize });
  const form = new Form(store, caller);
  try {
    for await (const part of multipart(request.body ?? ReadableStream.from([]), boundary)) await form.take(part);
    return await form.keep();
  } catch (error) {
    await form.discard();
    throw error;
  }
}

/** The fields of an upload, in whatever order they come. */
class Form {
  readonly #store: Files;
  readonly #owner: string | undefined;
  readonly #fields = new Map<string, string>();
  #received: { readonly file: ReceivedFile; readonly filename: string } | undefined;

  constructor(store: Files, owner: string | undefined) {
    this.#store = store;
    this.#owner = owner;
  }

  async take({ name, filename, content }: Part): Promise<void> {
    if (name !== "file") return void this.#fields.set(name, await fieldText(name, content));
    if (this.#received) throw new ShimmyError("invalid_value", { param: "file", reason: "one file an upload" });
    this.#received = { file: await this.#store.receive(content, this.#owner), filename: shownName(filename) };
  }

  keep() {
    const fields = decodeFileFields(this.#fields);
    if (!this.#received) throw new ShimmyError("invalid_value", { param: "file", reason: "it is required" });
    const draft: FileDraft = { ...fields, owner: this.#owner, filename: this.#received.filename };
    return this.#received.file.keep(draft);
  }

  async discard(): Promise<void> {
    await this.#received?.file.discard();
  }
}

async function fieldText(name: string, content: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of content) {
    bytes += piece.byteLength;
    if (bytes > MAX_FIELD_BYTES) throw new ShimmyError("invalid_multipart", { reason: `the field '${name.slice(0, 64)}' is too long` });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** The last part of a path, as some clients send one; nothing that a terminal would obey. */
function shownName(filename: string | undefined): string {
  const last = (filename ?? "").split(/[\\/]/).at(-1) ?? "";
  const plain = last.replace(/\p{C}/gu, "").trim().slice(0, MAX_NAME_LENGTH);
  return plain === "" ? "file" : plain;
}
