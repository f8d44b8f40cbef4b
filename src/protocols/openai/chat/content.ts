/**
 * The content of a message → its text. Parts of text are joined, files of text are written in, the result of a tool may be any JSON.
 * Called by messages.ts. It must not know roles, templates or where files are kept.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../../contract/errors.ts";
import { invalid, validate } from "../validate.ts";
import { fileText } from "./file-part.ts";

type Part = Readonly<Record<string, unknown>>;

interface PartKind {
  /** Where its content may stand: one of them is there in every true part. */
  readonly fields: readonly string[];
  /** Told to the caller; absent: it can be read. */
  readonly unread?: string;
}

const IMAGE = "an image";
const SOUND = "audio";
const VIDEO = "a video";

/** OpenAI's two APIs, and what clients of Anthropic, MCP and vLLM leave in a conversation. */
const KINDS: ReadonlyMap<string, PartKind> = new Map(
  Object.entries({
    text: { fields: ["text"] },
    input_text: { fields: ["text"] },
    output_text: { fields: ["text"] },
    refusal: { fields: ["refusal"] },
    file: { fields: ["file"] },
    input_file: { fields: ["file_data", "file_id", "file_url"] },
    image_url: { fields: ["image_url"], unread: IMAGE },
    input_image: { fields: ["image_url", "file_id"], unread: IMAGE },
    image: { fields: ["data", "source", "image"], unread: IMAGE },
    input_audio: { fields: ["input_audio"], unread: SOUND },
    audio: { fields: ["data", "audio"], unread: SOUND },
    audio_url: { fields: ["audio_url"], unread: SOUND },
    video_url: { fields: ["video_url"], unread: VIDEO },
  }),
);

const partSchema = z.looseObject({ type: z.string() });
const textSchema = z.string();

/** @throws invalid_value, modality_not_supported */
export function contentText(content: unknown, at: string): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw invalid(at, "must be a string, an array of content parts or null");
  // Joined as llama.cpp's server does: parts are paragraphs to the clients that send several.
  return content.map((part, index) => partText(part, `${at}[${index}]`)).join("\n");
}

/** Of a tool: a list is one of parts only if each item is one, else it is the tool's own JSON. @throws as `contentText` */
export function resultText(content: unknown, at: string): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string" || (Array.isArray(content) && content.every(isPart))) return contentText(content, at);
  try {
    return JSON.stringify(content);
  } catch (error) {
    if (error instanceof RangeError) throw invalid(at, "it is nested too deep");
    throw error;
  }
}

function isPart(item: unknown): boolean {
  if (typeof item !== "object" || item === null) return false;
  const part = item as Part;
  return KINDS.get(String(part.type))?.fields.some((field) => part[field] !== undefined) ?? false;
}

function partText(value: unknown, at: string): string {
  const part: Part = validate(partSchema, value, at);
  const kind = KINDS.get(String(part.type));
  if (!kind) throw invalid(`${at}.type`, "must be 'text' or 'file'");
  if (kind.unread !== undefined) throw new ShimmyError("modality_not_supported", { param: at, what: kind.unread });
  if (part.type === "file" || part.type === "input_file") return fileText(part, at);
  const [field] = kind.fields;
  return validate(textSchema, part[field!], `${at}.${field}`);
}
