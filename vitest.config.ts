import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

export default defineConfig({
  define: { SHIMMY_VERSION: JSON.stringify(version) },
  test: {
    // Never the state files of the person who runs the tests.
    env: { XDG_DATA_HOME: join(tmpdir(), "shimmy-no-such-home") },
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts"],
    // Machines have two cores and the engines of the tests want them too.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
