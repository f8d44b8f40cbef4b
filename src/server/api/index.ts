/** All routes of Shimmy's own API. Called by app.ts; each file of this folder adds its list. */
import type { ApiRoute } from "./route.ts";

export const API_ROUTES: readonly ApiRoute[] = [];
