/** All routes of Shimmy's own API. Called by app.ts; each file of this folder adds its list. */
import { LIFECYCLE_ROUTES } from "./lifecycle.ts";
import type { ApiRoute } from "./route.ts";

/** In the order in which they are tried: a name takes slashes, so what ends in a word of its own comes first. */
export const API_ROUTES: readonly ApiRoute[] = [...LIFECYCLE_ROUTES];
