/** A row of the catalogue of errors, and how Node shows that failure: parts of the package are gone. Gathered by errors.ts. */
import type { ErrorEntry } from "./errors.ts";

export const PACKAGE_ERRORS = {
  package_replaced: {
    status: 503,
    kind: "unavailable",
    message: "Shimmy was updated or removed while it runs, and this request needs a part that it had not loaded before",
    hint: "Restart shimmy; if a part is still missing then, install it again.",
  },
} as const satisfies Record<string, ErrorEntry>;

/** `import()` of a file that is gone. Node remembers the failure: the file may come back, only a new process sees it. */
export function isMissingPart(error: unknown): boolean {
  return (error as { code?: unknown } | null | undefined)?.code === "ERR_MODULE_NOT_FOUND";
}
