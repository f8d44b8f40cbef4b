/** The application behind a socket of node:http. Loaded by listen.ts with the first request that needs it. */
import { getRequestListener } from "@hono/node-server";
import { ShimmyError } from "../contract/errors.ts";
import { createApp } from "./app.ts";
import { errorResponse, plainError } from "./respond.ts";
import type { Services } from "./services.ts";

export function nodeListener(services: Services): ReturnType<typeof getRequestListener> {
  return getRequestListener(createApp(services).fetch, {
    // Only what never became a request comes here: a broken Host header or URL.
    errorHandler: (error) =>
      errorResponse(new ShimmyError("invalid_value", { param: "url", reason: String((error as Error).message) }), plainError),
  });
}
