/**
 * Requests that the server asks itself: lines of batches, through the same door as all others. What makes one is the object itself, not
 * a header, so nobody can send one from outside. Asked by app.ts; made by the dispatch of a batch.
 */

import type { BatchOwner, Dispatch, Errand, ErrandAnswer } from "../contract/batches.ts";
import type { Services } from "./services.ts";

/** Behind all who wait for their answer now. */
const BATCH_PRIORITY = 1;

export interface Mandate {
  /** In whose name it is asked; their key was checked when they asked for the batch. */
  readonly owner: BatchOwner;
  readonly priority: number;
}

const mandates = new WeakMap<Request, Mandate>();

/** Undefined: the request came from outside. */
export function mandateOf(request: Request): Mandate | undefined {
  return mandates.get(request);
}

/** The application is made with the first errand: a batch may go on before anybody has asked for anything. */
export function createDispatch(services: Services): Dispatch {
  let app: Promise<{ fetch(request: Request): Promise<Response> | Response }> | undefined;
  return async (errand) => {
    app ??= import("./app.ts").then(({ createApp }) => createApp(services));
    const { fetch: answer } = await app;
    // A signal of its own: that of a batch lives as long as fifty thousand lines, and each of them would stay among its listeners.
    const leave = new AbortController();
    const abort = () => leave.abort();
    errand.signal.addEventListener("abort", abort, { once: true });
    if (errand.signal.aborted) abort();
    try {
      return await answerOf(await answer(requestOf(errand, leave.signal)));
    } finally {
      errand.signal.removeEventListener("abort", abort);
    }
  };
}

async function answerOf(response: Response): Promise<ErrandAnswer> {
  const retryAfter = Number(response.headers.get("retry-after"));
  return {
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? "",
    body: await bodyOf(response),
    ...(retryAfter > 0 && { retryAfterMs: retryAfter * 1000 }),
  };
}

function requestOf({ path, body, owner }: Errand, signal: AbortSignal): Request {
  const headers = { "content-type": "application/json" };
  const request = new Request(`http://localhost${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
  mandates.set(request, { owner, priority: BATCH_PRIORITY });
  return request;
}

/** Lines that ask for a stream are refused before; whatever is no JSON all the same is not held. */
async function bodyOf(response: Response): Promise<unknown> {
  if (/^application\/json\b/.test(response.headers.get("content-type") ?? "")) return response.json();
  await response.body?.cancel();
  return null;
}
