/**
 * Parts of messages that name a stored file get its content as `file_data`, before anything is decoded. Called by generate.ts.
 * It looks into lists of content only, so a body without them costs nothing. It must not know what a file may be used for.
 * Shapes: `{type: "file", file: {file_id}}` of chats, `{type: "input_file", file_id}` of the Responses API.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { Files } from "../contract/files.ts";
import type { Services } from "./services.ts";

type Fields = Record<string, unknown>;

/** Each is opened and read in full, an empty one too. */
const MAX_FILES = 100;

/** @throws file_not_found, body_too_large, files_off, invalid_value for too many, with the field that names the file */
export async function inlineFiles(
  body: unknown,
  services: Pick<Services, "jobs" | "config">,
  caller: string | undefined,
): Promise<unknown> {
  const places = placesIn(body);
  if (places.length === 0) return body;
  const beyond = places[MAX_FILES];
  if (beyond) throw new ShimmyError("invalid_value", { param: beyond.param, reason: `there are more than ${MAX_FILES} files` });
  const files = await services.jobs.files();
  let room = services.config.maxBodySize;
  for (const { holder, param } of places) {
    const { filename, bytes } = await content(files, String(holder.file_id), param, room, caller);
    room -= bytes.length;
    holder.file_data = `data:${typeOf(bytes)};base64,${bytes.toString("base64")}`;
    holder.filename ??= filename;
    delete holder.file_id;
  }
  return body;
}

interface Place {
  /** What `file_id` stands in. */
  readonly holder: Fields;
  readonly param: string;
}

function placesIn(body: unknown): Place[] {
  const { messages, input } = fieldsOf(body);
  const ofMessages = listOf(messages).flatMap((message, i) => placesOfContent(message.content, `messages[${i}].content`));
  const ofInput = listOf(input).flatMap((item, i) => [
    ...placesOfContent(item.content, `input[${i}].content`),
    ...placesOfContent(item.output, `input[${i}].output`),
  ]);
  return [...ofMessages, ...ofInput];
}

function placesOfContent(content: unknown, at: string): Place[] {
  return listOf(content).flatMap((part, i) => {
    const holder = part.type === "file" ? fieldsOf(part.file) : part.type === "input_file" ? part : {};
    const param = `${at}[${i}]${holder === part ? "" : ".file"}.file_id`;
    return typeof holder.file_id === "string" ? [{ holder, param }] : [];
  });
}

/** Whatever is no object has no fields. */
function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

async function content(files: Files, id: string, param: string, room: number, caller: string | undefined) {
  const opened = await files.open(id, caller).catch((error: unknown) => {
    if (error instanceof ShimmyError && error.code === "file_not_found")
      throw new ShimmyError("file_not_found", { ...error.details, param }, { cause: error });
    throw error;
  });
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of opened.content) {
    length += piece.byteLength;
    // A body that holds the file itself would be refused too. The stream ends with this loop.
    if (length > room) throw new ShimmyError("body_too_large", { limit: room });
    pieces.push(piece);
  }
  return { filename: opened.file.filename, bytes: Buffer.concat(pieces) };
}

/** Text is what is UTF-8 without a NUL; a name may say anything. */
function typeOf(bytes: Buffer): string {
  if (bytes.includes(0)) return "application/octet-stream";
  if (bytes.toString("latin1", 0, 5) === "%PDF-") return "application/pdf";
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return "text/plain";
  } catch {
    return "application/octet-stream";
  }
}
