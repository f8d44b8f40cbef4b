/** Engines for the tests: one whose backend is as broken as a test wants, and the real Vulkan engine with a driver in software. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CLI, cleanEnvironment } from "../support/server.ts";

export const IS_LINUX_X64 = process.platform === "linux" && process.arch === "x64";

/** The libraries of the processor's package, which comes with npm. */
const OWN = resolve(`node_modules/@node-llama-cpp/linux-x64/bins/linux-x64`);

/** A folder with the processor's libraries and a Vulkan backend of this content. */
export function engineWith(folder: string, backend: Buffer | string): string {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(OWN)) symlinkSync(join(OWN, file), join(folder, file));
  writeFileSync(join(folder, "libggml-vulkan.so"), backend);
  return folder;
}

/** A shared library of C source; undefined where there is no compiler. */
export function compiled(folder: string, source: string, ...flags: string[]): Buffer | undefined {
  mkdirSync(folder, { recursive: true });
  const [input, output] = [join(folder, "source.c"), join(folder, "library.so")];
  writeFileSync(input, source);
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-o", output, input, ...flags, "-ldl"], { stdio: "pipe" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return readFileSync(output);
}

const DRIVER = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
const LOADER = "/lib/x86_64-linux-gnu/libvulkan.so.1";
/** Kept from run to run: 27 MB from the registry, and what the driver has compiled, which takes it most of a minute. */
const CACHE = resolve("node_modules/.cache/shimmy-test");

/** For crash.c. */
export const LOADER_FLAGS = [`-DREAL_LOADER="${LOADER}"`, "-Wl,-soname,libvulkan.so.1"] as const;

/** ggml passes over drivers in software unless it is told a device's number. */
export const LAVAPIPE = {
  XDG_DATA_HOME: CACHE,
  VK_ICD_FILENAMES: DRIVER,
  GGML_VK_VISIBLE_DEVICES: "0",
  MESA_SHADER_CACHE_DIR: join(CACHE, "mesa"),
} as const;

/** Installs the real engine as a user would. @returns why the tests that need it cannot run, or undefined. */
export function vulkanMissing(): string | undefined {
  if (!IS_LINUX_X64) return "the test driver is for Linux on x64";
  if (!existsSync(DRIVER) || !existsSync(LOADER)) return "Debian's mesa-vulkan-drivers is not installed";
  try {
    execFileSync(process.execPath, [CLI, "engine", "install", "vulkan"], {
      env: { ...cleanEnvironment(), ...LAVAPIPE },
      stdio: "pipe",
      timeout: 120_000,
    });
    return undefined;
  } catch (error) {
    return `the Vulkan engine could not be fetched from the registry: ${(error as Error & { stderr?: Buffer }).stderr}`;
  }
}

export function vulkanFolder(): string {
  const engines = join(CACHE, "shimmy", "engines");
  const name = readdirSync(engines).find((entry) => entry.startsWith("linux-x64-vulkan-"))!;
  return join(engines, name, "bins", "linux-x64-vulkan");
}
