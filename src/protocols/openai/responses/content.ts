/**
 * What is special in the content of items; all else is as in chats (chat/content.ts). Called by input.ts.
 * An image in a message is refused. In a tool's result it becomes a line that says so: a client cannot take back what its tool has answered,
 * and would hear the same refusal for ever.
 */
import * as z from "zod/mini";
import { resultText } from "../chat/content.ts";
import { invalid, list, validate } from "../validate.ts";

const thoughtSchema = list(z.looseObject({ text: z.nullish(z.string()) }));

/** Parts of a thought or of its summary. */
export function thoughtText(parts: unknown, at: string): string {
  if (parts === undefined || parts === null) return "";
  if (!Array.isArray(parts)) throw invalid(at, "must be an array");
  return validate(thoughtSchema, parts, at)
    .map(({ text }) => text ?? "")
    .join("\n");
}

const UNREAD: Readonly<Record<string, string>> = {
  input_image: "An image",
  image_url: "An image",
  image: "An image",
  input_audio: "A sound",
};

/** @param warn told of what was left out. @throws invalid_value */
export function outputText(output: unknown, at: string, warn: (warning: string) => void): string {
  if (!Array.isArray(output)) return resultText(output, at);
  const parts = output.map((part, index) => {
    const type = typeof part === "object" && part !== null ? String((part as { type?: unknown }).type) : "";
    const what = Object.hasOwn(UNREAD, type) ? UNREAD[type] : undefined;
    if (what === undefined) return part;
    warn(`${at}[${index}]: '${type}' cannot be read and was left out`);
    return { type: "input_text", text: `[${what} was here. It cannot be read: this model reads text only.]` };
  });
  return resultText(parts, at);
}
