/** Stores as their programs write them, made of small GGUF files. Used by the suites of this folder. */
import { createHash } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Catalogue, type CatalogueOptions } from "../../src/models/catalogue.ts";
import { type FixtureValue, tinyModel, writeModel } from "../fixtures/gguf.ts";

/** A model file unlike any other: real stores tell files apart by their content. */
export function modelNamed(name: string, metadata: Readonly<Record<string, FixtureValue | undefined>> = {}): Buffer {
  return tinyModel({ "general.name": name, ...metadata });
}

/** A LoRA file as convert_lora_to_gguf.py writes it. */
export function loraFor(base: string | undefined, metadata: Readonly<Record<string, FixtureValue | undefined>> = {}): Buffer {
  return tinyModel(
    {
      "general.type": "adapter",
      "adapter.type": "lora",
      "adapter.lora.alpha": 16.5,
      ...(base !== undefined && { "general.base_model.count": 1, "general.base_model.0.name": base }),
      ...metadata,
    },
    { tensors: [{ name: "blk.0.attn_q.weight.lora_a", dims: [32, 4] }] },
  );
}

export interface OllamaLayers {
  readonly model: Buffer;
  readonly template?: string;
  readonly system?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly adapter?: Buffer;
  readonly projector?: Buffer;
}

/** Writes manifest and blobs of a model; `at` is "registry.ollama.ai/library/llama3/latest". @returns the path of its weights. */
export async function ollamaModel(root: string, at: string, layers: OllamaLayers): Promise<string> {
  await mkdir(join(root, "blobs"), { recursive: true });
  const blob = async (type: string, content: Buffer | string) => {
    const hex = createHash("sha256").update(content).digest("hex");
    await writeFile(join(root, "blobs", `sha256-${hex}`), content);
    return { mediaType: `application/vnd.ollama.image.${type}`, digest: `sha256:${hex}`, size: Buffer.byteLength(content) };
  };
  const { params, ...rest } = layers;
  const entries = await Promise.all(Object.entries(rest).map(([type, content]) => blob(type, content)));
  if (params) entries.push(await blob("params", JSON.stringify(params)));
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json", config: {}, layers: entries };
  const path = join(root, "manifests", ...at.split("/"));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, JSON.stringify(manifest));
  return join(root, "blobs", entries[0]!.digest.replace(":", "-"));
}

/** Writes a file of a repository into a hub cache: a blob, and a link to it in the snapshot of a revision. */
export async function hubFile(hub: string, repository: string, revision: string, file: string, content: Buffer): Promise<string> {
  const folder = join(hub, `models--${repository.replaceAll("/", "--")}`);
  const oid = createHash("sha256").update(content).digest("hex");
  await writeModel(join(folder, "blobs", oid), content);
  const link = join(folder, "snapshots", revision, file);
  await mkdir(dirname(link), { recursive: true });
  await symlink(join(folder, "blobs", oid), link);
  return link;
}

export async function hubRef(hub: string, repository: string, revision: string): Promise<void> {
  const refs = join(hub, `models--${repository.replaceAll("/", "--")}`, "refs");
  await mkdir(refs, { recursive: true });
  await writeFile(join(refs, "main"), revision);
}

/** A catalogue of one store in this home; it always looks at the disk. */
export function storeIn(
  home: string,
  store: string,
  options: Partial<CatalogueOptions> & { env?: Record<string, string> } = {},
): Catalogue {
  const { env = {}, ...rest } = options;
  return new Catalogue({ dirs: [], files: [], stores: [store], around: { env, home, platform: "linux" }, maxAgeMs: -1, ...rest });
}

export async function ids(catalogue: Catalogue): Promise<string[]> {
  return (await catalogue.list()).map(({ id }) => id);
}

/** Name of the file → why it was skipped. */
export function reasons(catalogue: Catalogue): Record<string, string> {
  return Object.fromEntries(catalogue.skipped().map(({ path, reason }) => [basename(path), reason]));
}
