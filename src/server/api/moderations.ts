/**
 * POST /v1/moderations: answered with the reason why it is not served. There is no engine for classifiers in this build, so there is no
 * setting that would promise one; a client learns it from a 404 with a code of its own instead of an unknown route.
 */
import { ShimmyError } from "../../contract/errors.ts";
import type { ApiRoute } from "./route.ts";

export const MODERATION_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/moderations",
    doc: { summary: "Not served: there is no engine for classifiers", tag: "OpenAI", served: false },
    handle: () => {
      throw new ShimmyError("moderation_unavailable");
    },
  },
];
