/** Rows of the table of settings: what models are computed on. Read by table.ts. */
import { boolean, integer, optional, orAuto, path, text } from "./kinds.ts";
import { ENGINE, setting } from "./setting.ts";

export const HARDWARE_SETTINGS = {
  gpu: setting({
    kind: text("name"),
    default: "auto",
    flag: "gpu",
    env: ["SHIMMY_GPU"],
    file: "gpu",
    help: "What models are computed on: auto takes what is there, off the processor alone, else a backend (cuda, vulkan, metal) or a device as `shimmy gpu-info` names it.",
    commands: [...ENGINE, "gpu-info"],
  }),
  gpuLayers: setting({
    kind: orAuto(integer("n", 0, 100_000)),
    default: undefined,
    flag: "gpu-layers",
    env: ["SHIMMY_GPU_LAYERS"],
    file: "gpu_layers",
    help: "Layers of a model on the GPU, counted from the last, the output being one more; auto is as many as its memory holds.",
    commands: ENGINE,
  }),
  cpuMoe: setting({
    kind: boolean,
    default: false,
    flag: "cpu-moe",
    env: ["SHIMMY_CPU_MOE"],
    file: "cpu_moe",
    help: "Leave the experts of all layers of a mixture-of-experts model to the processor.",
    commands: ENGINE,
  }),
  nCpuMoe: setting({
    kind: orAuto(integer("n", 0, 100_000)),
    default: undefined,
    flag: "n-cpu-moe",
    env: ["SHIMMY_N_CPU_MOE"],
    file: "n_cpu_moe",
    help: "Leave the experts of the first n layers to the processor; auto is as few as the GPU's memory asks for.",
    commands: ENGINE,
  }),
  engineDir: setting({
    kind: optional(path),
    default: undefined,
    flag: "engine-dir",
    env: ["SHIMMY_ENGINE_DIR"],
    file: "engine_dir",
    help: "Folder with a build of llama.cpp (this version) to use before the installed ones.",
    commands: [...ENGINE, "gpu-info"],
  }),
};
