/** All routes of Shimmy's own API. Called by app.ts; each file of this folder adds its list. */
import { PULL_ROUTES } from "./pull.ts";
import type { ApiRoute } from "./route.ts";

export const API_ROUTES: readonly ApiRoute[] = [...PULL_ROUTES];
