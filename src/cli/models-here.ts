/** The models of this machine as `shimmy validate` and `shimmy doctor` judge them: folders, broken files, the memory each needs. */
import { accessSync, constants, statSync } from "node:fs";
import { basename } from "node:path";
import { assemble } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { Model, ModelFacts } from "../deploy/validate/subject.ts";
import { brokenModels } from "../models/broken-file.ts";
import type { PlaceReport } from "../models/catalogue.ts";
import { availableMemory } from "../models/machine.ts";
import { residentCost } from "../models/memory.ts";
import { MemoryBudget } from "../pool/budget.ts";
import { memoryPlan, UNUSED_IS_FREE } from "../pool/plan.ts";

export interface ModelsHere extends ModelFacts {
  readonly budgetBytes: number;
  readonly infos: readonly ModelInfo[];
  readonly places: readonly PlaceReport[];
}

export async function modelsHere(loaded: LoadedConfig): Promise<ModelsHere> {
  const { config } = loaded;
  const { catalogue } = assemble(loaded, { logLevel: "error" });
  const budgetBytes = new MemoryBudget(config.memoryBudget, config.maxLoadedModels).limits([]).budgetBytes;
  const { models, places } = await catalogue.discover();
  const broken = await brokenModels(catalogue.skipped());
  const given = (await catalogue.check()).map((error) => ({
    file: basename(config.modelPath ?? ""),
    reason: error.message,
    certain: true,
  }));
  await catalogue.close();
  return {
    infos: models,
    places,
    budgetBytes,
    models: models.map((info) => modelOf(info, config, budgetBytes)),
    folders: config.modelDirs.map((name) => ({
      name,
      exists: isFolder(name),
      readable: mayRead(name),
      models: places.find(({ path }) => path === name)?.models.length ?? 0,
    })),
    unusable: [...given, ...broken.map(({ path, reason }) => ({ file: basename(path), reason, certain: true }))],
  };
}

function modelOf(info: ModelInfo, settings: LoadedConfig["config"], budgetBytes: number): Model {
  // As residents.ts plans it: with the budget, or with all there is for one that is larger.
  const available = availableMemory();
  const plan = memoryPlan(info, settings, info.sizeBytes < budgetBytes ? Math.min(available, budgetBytes) : available);
  return {
    id: info.id,
    aliases: info.aliases ?? [],
    sizeBytes: info.sizeBytes,
    neededBytes: residentCost(plan, { cells: 0, storedBytes: 0 }, UNUSED_IS_FREE),
    generates: info.generative,
    embeds: info.capabilities?.includes("embedding") ?? false,
    loaded: false,
  };
}

function mayRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
