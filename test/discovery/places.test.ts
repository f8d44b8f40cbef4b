/** Where the stores of other programs lie: the paths of three systems, and the variables that move them. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SETTINGS } from "../../src/config/table.ts";
import { placesOf, STORE_NAMES } from "../../src/models/stores/index.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "shimmy-places-"));
});
afterAll(() => rm(home, { recursive: true }));

async function paths(store: string, platform: NodeJS.Platform, env: Record<string, string> = {}): Promise<string[]> {
  const places = await placesOf([], [store], { env, home, platform });
  return places.map(({ path }) => (path.startsWith(home) ? path.slice(home.length + 1) : path));
}

const ALL = ["linux", "darwin", "win32"] as const;

test("Ollama: ~/.ollama everywhere, the service's and the snap's folder on Linux, OLLAMA_MODELS before them", async () => {
  expect(await paths("ollama", "linux")).toEqual([".ollama/models", "/usr/share/ollama/.ollama/models", "/var/snap/ollama/common/models"]);
  expect(await paths("ollama", "darwin")).toEqual([".ollama/models"]);
  expect(await paths("ollama", "win32", { OLLAMA_MODELS: "/d/ollama" })).toEqual(["/d/ollama", ".ollama/models"]);
});

test("the hub's cache: HF_HUB_CACHE before HF_HOME before XDG_CACHE_HOME before ~/.cache", async () => {
  for (const platform of ALL) expect(await paths("hugging-face", platform)).toEqual([".cache/huggingface/hub"]);
  expect(await paths("hugging-face", "linux", { XDG_CACHE_HOME: "/xdg" })).toEqual(["/xdg/huggingface/hub"]);
  expect(await paths("hugging-face", "linux", { XDG_CACHE_HOME: "/xdg", HF_HOME: "~/hf" })).toEqual(["hf/hub"]);
  expect(await paths("hugging-face", "linux", { HF_HOME: "/hf", HF_HUB_CACHE: "/hub" })).toEqual(["/hub"]);
});

test("llama.cpp's cache", async () => {
  expect(await paths("llama-cpp", "linux")).toEqual([".cache/llama.cpp"]);
  expect(await paths("llama-cpp", "linux", { XDG_CACHE_HOME: "/xdg" })).toEqual(["/xdg/llama.cpp"]);
  expect(await paths("llama-cpp", "darwin")).toEqual(["Library/Caches/llama.cpp"]);
  expect(await paths("llama-cpp", "win32")).toEqual(["AppData/Local/llama.cpp"]);
  expect(await paths("llama-cpp", "win32", { LOCALAPPDATA: "/local" })).toEqual(["/local/llama.cpp"]);
  for (const platform of ALL) expect(await paths("llama-cpp", platform, { LLAMA_CACHE: "/cache" })).toEqual(["/cache"]);
});

test("Jan, new and old", async () => {
  expect(await paths("jan", "linux")).toEqual(
    expect.arrayContaining([".local/share/Jan/data/llamacpp/models", ".config/Jan/data/models", "jan/models"]),
  );
  expect(await paths("jan", "linux", { XDG_DATA_HOME: "/xdg" })).toContain("/xdg/Jan/data/llamacpp/models");
  expect(await paths("jan", "darwin")).toContain("Library/Application Support/Jan/data/llamacpp/models");
  expect(await paths("jan", "win32", { APPDATA: "/roaming" })).toContain("/roaming/Jan/data/llamacpp/models");
});

test("LM Studio, new and old", async () => {
  expect(await paths("lm-studio", "darwin")).toEqual([".lmstudio/models", ".cache/lm-studio/models"]);
  expect(await paths("lm-studio", "win32", { APPDATA: "/roaming" })).toEqual([
    ".lmstudio/models",
    ".cache/lm-studio/models",
    "/roaming/LM Studio/models",
  ]);
});

test("LM Studio and Jan: the folder that the user chose in their settings comes first; a relative or broken one is ignored", async () => {
  await mkdir(join(home, ".lmstudio"));
  await mkdir(join(home, ".local/share/Jan"), { recursive: true });
  await writeFile(join(home, ".lmstudio", "settings.json"), JSON.stringify({ downloadsFolder: "/big/models" }));
  await writeFile(join(home, ".local/share/Jan", "settings.json"), JSON.stringify({ data_folder: "/big/jan" }));
  await writeFile(join(home, ".lmstudio-home-pointer"), "/elsewhere/lmstudio\n");
  expect(await paths("lm-studio", "linux")).toEqual([
    "/big/models",
    "/elsewhere/lmstudio/models",
    ".lmstudio/models",
    ".cache/lm-studio/models",
  ]);
  expect((await paths("jan", "linux"))[0]).toBe("/big/jan/llamacpp/models");
  await writeFile(join(home, ".lmstudio", "settings.json"), JSON.stringify({ downloadsFolder: "../models" }));
  await writeFile(join(home, ".local/share/Jan", "settings.json"), "{");
  expect((await paths("lm-studio", "linux"))[0]).toBe("/elsewhere/lmstudio/models");
  expect((await paths("jan", "linux"))[0]).toBe(".local/share/Jan/data/llamacpp/models");
});

test("~/models and Shimmy's own folder", async () => {
  expect(await paths("home", "linux")).toEqual(["models", ".local/share/shimmy/models"]);
  expect(await paths("home", "linux", { XDG_DATA_HOME: "/xdg" })).toEqual(["models", "/xdg/shimmy/models"]);
  expect(await paths("home", "darwin")).toEqual(["models", "Library/Application Support/shimmy/models"]);
  expect(await paths("home", "win32")).toEqual(["models", "AppData/Local/shimmy/models"]);
});

test("auto is all stores, off is none, and a folder that was named is not looked at twice", async () => {
  const around = { env: {}, home, platform: "linux" } as const;
  const labels = async (stores: string[]) => [
    ...new Set((await placesOf([join(home, "models")], stores, around)).map(({ label }) => label)),
  ];
  expect(await labels(["auto"])).toEqual(["models", "ollama", "lm-studio", "hugging-face", "llama-cpp", "jan", "shimmy"]);
  expect(await labels(["off"])).toEqual(["models"]);
  expect(await labels(["off", "ollama"])).toEqual(["models"]);
  expect(await labels(["jan", "ollama"])).toEqual(["models", "ollama", "jan"]);
});

test("the setting knows every store", () => {
  const { kind } = SETTINGS.modelStores;
  for (const name of STORE_NAMES) expect(kind.parse(name, { folder: "/", home: "/" })).toEqual([name]);
  expect(() => kind.parse("olama", { folder: "/", home: "/" })).toThrow(/hugging-face/);
});
