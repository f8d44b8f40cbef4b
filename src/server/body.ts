/** The JSON body of a request, or the error that says why it is none. Called by generate.ts. */
import { ShimmyError } from "../contract/errors.ts";
import { excessOf } from "../contract/json-extent.ts";

/**
 * @param limit bytes.
 * @throws unsupported_content_type, body_too_large, invalid_json, client_closed; invalid_value for more structure than can be decoded
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  checkContentType(request);
  const text = await readText(request, limit);
  const excess = excessOf(text);
  if (excess !== undefined) throw new ShimmyError("invalid_value", { param: "body", reason: excess });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ShimmyError("invalid_json", { reason: (cause as Error).message }, { cause });
  }
}

/**
 * A page on a foreign site may send forms and text without asking first, but not JSON; so a browser must say JSON.
 * `curl -d` says form, and people type it without a header: that is let through where no browser is in play.
 */
function checkContentType(request: Request): void {
  const type = request.headers.get("content-type")?.replace(/;.*/, "").trim().toLowerCase();
  if (type && /^application\/([\w.-]+\+)?json$/.test(type)) return;
  const fromCurl = !type || type === "application/x-www-form-urlencoded";
  if (fromCurl && !request.headers.has("origin")) return;
  throw new ShimmyError("unsupported_content_type", { type: type ?? "" });
}

async function readText(request: Request, limit: number): Promise<string> {
  const tooLarge = () => new ShimmyError("body_too_large", { limit });
  const declared = request.headers.get("content-length");
  if (Number(declared) > limit) throw tooLarge();
  try {
    if (declared !== null) return await request.text();
    const decoder = new TextDecoder();
    let text = "";
    let bytes = 0;
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > limit) throw tooLarge();
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    // Nothing but the client's end of the socket makes reading fail.
    throw error instanceof ShimmyError ? error : new ShimmyError("client_closed", {}, { cause: error });
  }
}
