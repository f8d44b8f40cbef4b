/**
 * A file in a conversation → its text, with its name around it. Called by content.ts. It fetches nothing: the ids of uploaded files are
 * replaced by their content before a body is decoded, so one that is still here is not known.
 */
import * as z from "zod/mini";
import { invalid, validate } from "../validate.ts";

const fileSchema = z.looseObject({ filename: z.nullish(z.string()), file_data: z.nullish(z.string()), file_id: z.nullish(z.string()) });

/** Chat wraps the fields in `file`, Responses does not. @throws invalid_value for what is no text in UTF-8 */
export function fileText(part: Readonly<Record<string, unknown>>, at: string): string {
  const wrapped = part.type === "file";
  const where = wrapped ? `${at}.file` : at;
  const { filename, file_data: data, file_id: id } = validate(fileSchema, wrapped ? part.file : part, where);
  if (typeof data !== "string") {
    if (typeof id === "string") throw invalid(`${where}.file_id`, "there is no such file");
    throw invalid(`${where}.file_data`, "it is required; nothing is fetched from other machines");
  }
  const text = textOf(bytesOf(data, `${where}.file_data`));
  if (text === undefined) throw invalid(`${where}.file_data`, "it is not a text in UTF-8; only files of text can be read");
  return `<file${attribute(filename)}>\n${text.endsWith("\n") ? text : `${text}\n`}</file>`;
}

/** On one line, so that a name cannot pass for content. */
function attribute(name: string | null | undefined): string {
  const plain = (name ?? "").replace(/[\p{Cc}"<>]/gu, " ").slice(0, 255);
  return plain === "" ? "" : ` name="${plain}"`;
}

/** `data:text/csv;base64,…` (RFC 2397), or base64 alone. */
function bytesOf(data: string, at: string): Uint8Array {
  const [, head, body] = /^data:([^,]{0,255}),(.*)$/s.exec(data) ?? [undefined, ";base64", data];
  if (!/;base64$/i.test(head!)) return percentDecoded(body!, at);
  // Node reads what is no base64 as if it were not there.
  if (/[^\w+/=\s-]/.test(body!)) throw invalid(at, "it is not valid base64");
  return Buffer.from(body!, "base64");
}

function percentDecoded(body: string, at: string): Uint8Array {
  try {
    return new TextEncoder().encode(decodeURIComponent(body));
  } catch {
    throw invalid(at, "it is not a valid data URL");
  }
}

/** Absent: binary. A PDF of plain ASCII is no text to its reader either. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") || text.startsWith("%PDF-") ? undefined : text;
  } catch {
    return undefined;
  }
}
