/** /api/log-level: which lines are logged, told and changed while the server runs; a restart brings the setting back. */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { ApiRoute } from "./route.ts";

const LEVELS = ["error", "warn", "info", "debug"] as const;
const levelSchema = z.object({ level: z.enum(LEVELS) });

const PATH = "/api/log-level";
const TAG = "Server";

export const LOG_LEVEL_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: PATH,
    doc: { summary: "Which lines are logged", tag: TAG, answer: levelSchema },
    handle: ({ log }) => Response.json({ level: log.level }),
  },
  {
    method: "POST",
    path: PATH,
    doc: { summary: "Change which lines are logged, until the restart", tag: TAG, body: levelSchema, answer: levelSchema },
    async handle({ log }, { json }) {
      const asked = levelSchema.safeParse(await json());
      if (!asked.success) throw new ShimmyError("invalid_value", { param: "level", reason: `it must be one of ${LEVELS.join(", ")}` });
      const { level } = asked.data;
      if (level !== log.level) log.warn("log level", { from: log.level, to: level });
      log.level = level;
      return Response.json({ level });
    },
  },
];
