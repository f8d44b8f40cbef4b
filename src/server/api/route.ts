/**
 * What a route of Shimmy's own API is (/api/…: models, loading, pulling): plain JSON in and out, no generation. Each file of this
 * folder gives a list of them to index.ts, which app.ts serves with the same guards, errors and log line as all routes.
 */
import type { EndpointDoc } from "../../protocols/document.ts";
import type { Services } from "../services.ts";

export interface ApiCall {
  /** What the path's parameters matched, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** As it came, for what is no JSON. */
  readonly request: Request;
  /** The body; undefined when there is none. @throws as `readJson` does */
  json(): Promise<unknown>;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  /** Who asks, where keys are asked for. */
  readonly caller?: string;
  /** No other model than the named one answers. */
  readonly strict?: boolean;
  /** As in `GenerationRequest`. */
  readonly priority?: number;
  /** Which model it is about, for the log line and the metrics. */
  readonly answeredBy: (model: string) => void;
}

export interface ApiRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** Hono's pattern; `:name{.+}` takes slashes too, as model ids have them. */
  readonly path: string;
  /** For /openapi.json. */
  readonly doc?: EndpointDoc;
  /** @throws ShimmyError, answered in OpenAI's dress. */
  handle(services: Services, call: ApiCall): Promise<Response> | Response;
}
