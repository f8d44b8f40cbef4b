/** All routes of Shimmy's own API. Called by app.ts; each file of this folder adds its list. */
import { MODEL_ROUTES } from "./models.ts";
import { PULL_ROUTES } from "./pull.ts";
import type { ApiRoute } from "./route.ts";

/** In the order in which they are tried; MODEL_ROUTES stay last, because their pattern takes what the others leave. */
export const API_ROUTES: readonly ApiRoute[] = [...PULL_ROUTES, ...MODEL_ROUTES];
