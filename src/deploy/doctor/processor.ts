/**
 * What the processor can, and which of ggml's builds for it is used. Called by checks.ts. The table and the score are those of
 * ggml/src/CMakeLists.txt (ggml_add_cpu_backend_variant) and ggml-cpu/arch/x86/cpu-feats.cpp; ggml loads the build with the highest score.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";

/** Feature of ggml → the flags that /proc/cpuinfo must show, and its weight in the score. */
const FEATURES = {
  FMA: { flags: ["fma"], weight: 1 << 0 },
  F16C: { flags: ["f16c"], weight: 1 << 1 },
  SSE42: { flags: ["sse4_2"], weight: 1 << 2 },
  BMI2: { flags: ["bmi2"], weight: 1 << 3 },
  AVX: { flags: ["avx"], weight: 1 << 4 },
  AVX2: { flags: ["avx2"], weight: 1 << 5 },
  AVX_VNNI: { flags: ["avx_vnni"], weight: 1 << 6 },
  AVX512: { flags: ["avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"], weight: 1 << 7 },
  AVX512_VBMI: { flags: ["avx512vbmi"], weight: 1 << 8 },
  AVX512_BF16: { flags: ["avx512_bf16"], weight: 1 << 9 },
  AVX512_VNNI: { flags: ["avx512_vnni"], weight: 1 << 10 },
  AMX: { flags: ["amx_tile", "amx_int8"], weight: 1 << 11 },
} as const;
type Feature = keyof typeof FEATURES;

const HASWELL: readonly Feature[] = ["SSE42", "AVX", "F16C", "FMA", "AVX2", "BMI2"];
const SKYLAKE: readonly Feature[] = [...HASWELL, "AVX512"];
const VARIANTS: Readonly<Record<string, readonly Feature[]>> = {
  x64: [],
  sse42: ["SSE42"],
  sandybridge: ["SSE42", "AVX"],
  ivybridge: ["SSE42", "AVX", "F16C"],
  piledriver: ["SSE42", "AVX", "F16C", "FMA"],
  haswell: HASWELL,
  skylakex: SKYLAKE,
  cannonlake: [...SKYLAKE, "AVX512_VBMI"],
  cascadelake: [...SKYLAKE, "AVX512_VNNI"],
  icelake: [...SKYLAKE, "AVX512_VBMI", "AVX512_VNNI"],
  cooperlake: [...SKYLAKE, "AVX512_VNNI", "AVX512_BF16"],
  zen4: [...SKYLAKE, "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16"],
  alderlake: [...HASWELL, "AVX_VNNI"],
  sapphirerapids: [...SKYLAKE, "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16", "AMX"],
};

/** @param files of the engine's folder; absent: it is not here. */
export function processorCheck(files: readonly string[] | undefined): Check {
  return {
    group: "engine",
    name: "processor",
    run: async () => {
      const flags = await processorFlags();
      if (!flags) return unmeasured(`${process.platform} does not tell what the processor can`);
      return judgeProcessor(flags, process.arch, files ?? []);
    },
  };
}

export function judgeProcessor(flags: ReadonlySet<string>, arch: string, files: readonly string[]): Finding {
  if (arch !== "x64") {
    const notable = ["asimd", "asimddp", "i8mm", "sve", "sve2", "FEAT_DotProd", "FEAT_I8MM"].filter((flag) => flags.has(flag));
    return pass(`${arch}: ${notable.join(", ") || "no extensions told"}`);
  }
  const able = featuresOf(flags);
  const variant = variantFor(able, variantsIn(files));
  const measured = `${able.join(", ") || "SSE2 alone"}${variant === undefined ? "" : `; ggml's build: ${variant}`}`;
  const limit = "AVX2, for speed";
  if (variant === undefined && files.length > 0)
    return fail(`no build of ggml fits this processor (${measured})`, "Install the engine again.", {
      limit,
      command: "npm install --include=optional",
    });
  if (!able.includes("AVX2"))
    return warn(
      measured,
      "Without AVX2 models are several times slower; a virtual machine may hide it: pass the host's processor through.",
      {
        limit,
        command: "lscpu",
      },
    );
  return pass(measured, { limit });
}

export function featuresOf(flags: ReadonlySet<string>): Feature[] {
  return (Object.keys(FEATURES) as Feature[]).filter((name) => FEATURES[name].flags.every((flag) => flags.has(flag)));
}

/** The one that ggml would load. */
export function variantFor(able: readonly Feature[], installed: readonly string[]): string | undefined {
  const score = (features: readonly Feature[]) => features.reduce((sum, name) => sum + FEATURES[name].weight, 1);
  return installed
    .flatMap((name) => (VARIANTS[name]?.every((feature) => able.includes(feature)) ? [{ name, score: score(VARIANTS[name]) }] : []))
    .sort((a, b) => b.score - a.score)[0]?.name;
}

function variantsIn(files: readonly string[]): string[] {
  return files.flatMap((file) => /^(?:lib)?ggml-cpu-([a-z0-9]+)\.(?:so|dll|dylib)$/.exec(file)?.[1] ?? []);
}

/** By their names of /proc/cpuinfo; on macOS those of sysctl, spelled as Linux does. */
async function processorFlags(): Promise<ReadonlySet<string> | undefined> {
  if (process.platform === "linux") return flagsIn(readFileSync("/proc/cpuinfo", "utf8"));
  if (process.platform !== "darwin") return undefined;
  const { stdout } = await promisify(execFile)("sysctl", ["machdep.cpu", "hw.optional"]).catch(() => ({ stdout: "" }));
  const arm = [...stdout.matchAll(/^hw\.optional\.arm\.(FEAT_\w+): 1$/gm)].map((match) => match[1]!);
  const intel = [...stdout.matchAll(/^machdep\.cpu\.(?:leaf7_)?features: (.*)$/gm)].flatMap((match) => match[1]!.toLowerCase().split(" "));
  const spelled = { "sse4.2": "sse4_2", "avx1.0": "avx" } as Readonly<Record<string, string>>;
  return new Set([...arm, ...intel.map((flag) => spelled[flag] ?? flag)]);
}

export function flagsIn(cpuinfo: string): ReadonlySet<string> {
  return new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(" ") ?? []);
}
