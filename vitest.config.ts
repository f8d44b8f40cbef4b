import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

export default defineConfig({
  define: { SHIMMY_VERSION: JSON.stringify(version) },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts"],
    // Machines have two cores and the engines of the tests want them too.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What runs in the process of a test must not read or write the folders of the person who runs it.
    env: {
      SHIMMY_MODEL_STORES: "off",
      XDG_DATA_HOME: join(tmpdir(), "shimmy-no-such-home"),
      XDG_CACHE_HOME: join(tmpdir(), `shimmy-test-cache-${process.pid}`),
    },
  },
});
