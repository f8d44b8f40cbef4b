/** All routes of Shimmy's own API. Called by app.ts; each file of this folder adds its list. */

import { ALERT_ROUTES } from "./alerts.ts";
import { BATCH_ROUTES } from "./batches.ts";
import { DEVICE_ROUTES } from "./devices.ts";
import { DISCOVER_ROUTES } from "./discover.ts";
import { FILE_ROUTES } from "./files.ts";
import { LIFECYCLE_ROUTES } from "./lifecycle.ts";
import { LOG_LEVEL_ROUTES } from "./log-level.ts";
import { MODEL_ROUTES } from "./models.ts";
import { MODERATION_ROUTES } from "./moderations.ts";
import { NATIVE_ROUTES } from "./native.ts";
import { PULL_ROUTES } from "./pull.ts";
import { RESPONSE_ROUTES } from "./responses.ts";
import type { ApiRoute } from "./route.ts";

/**
 * In the order in which they are tried: a name takes slashes, so what ends in a word of its own comes first, and MODEL_ROUTES stay last,
 * because their pattern takes what the others leave.
 */
export const API_ROUTES: readonly ApiRoute[] = [
  ...FILE_ROUTES,
  ...BATCH_ROUTES,
  ...MODERATION_ROUTES,
  ...DISCOVER_ROUTES,
  ...PULL_ROUTES,
  ...LIFECYCLE_ROUTES,
  ...DEVICE_ROUTES,
  ...ALERT_ROUTES,
  ...LOG_LEVEL_ROUTES,
  ...NATIVE_ROUTES,
  ...RESPONSE_ROUTES,
  ...MODEL_ROUTES,
];
