/**
 * Models by their names, in any spelling. Called by `resolve.ts` for each request, so it is made once for each list that the catalogue
 * gives. Pure; a list is never changed after it was given.
 */
import type { ModelInfo } from "../contract/model.ts";
import { idsMeantBy } from "./names.ts";

interface NameIndex {
  /** Lower case, as it is written. */
  readonly ids: ReadonlyMap<string, ModelInfo>;
  /** The most literal of `idsMeantBy`. */
  readonly spellings: ReadonlyMap<string, ModelInfo>;
  readonly storeNames: ReadonlyMap<string, ModelInfo>;
  readonly storeSpellings: ReadonlyMap<string, ModelInfo>;
}

const indexes = new WeakMap<readonly ModelInfo[], NameIndex>();

/** By id: as it is written, else in another spelling, the most literal first. */
export function findById(name: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  const { ids, spellings } = indexOf(models);
  return ids.get(name.trim().toLowerCase()) ?? firstIn(spellings, name);
}

/** By a name of the model's store, such as an Ollama tag: as it is written, else in another spelling of it. */
export function findByStoreName(name: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  const { storeNames, storeSpellings } = indexOf(models);
  return storeNames.get(name.trim().toLowerCase()) ?? firstIn(storeSpellings, name);
}

function firstIn(spellings: ReadonlyMap<string, ModelInfo>, name: string): ModelInfo | undefined {
  const id = idsMeantBy(name).find((meant) => spellings.has(meant));
  return id === undefined ? undefined : spellings.get(id);
}

/** Of two models with one name the first of the list has it. */
function indexOf(models: readonly ModelInfo[]): NameIndex {
  const known = indexes.get(models);
  if (known) return known;
  const made = { ids: new Map(), spellings: new Map(), storeNames: new Map(), storeSpellings: new Map() };
  const add = (names: Map<string, ModelInfo>, name: string | undefined, model: ModelInfo) => {
    if (name !== undefined && !names.has(name)) names.set(name, model);
  };
  for (const model of models) {
    add(made.ids, model.id.toLowerCase(), model);
    // An id may have characters that a spelling has not ("llama3:8b").
    add(made.spellings, model.id.toLowerCase(), model);
    add(made.spellings, idsMeantBy(model.id)[0], model);
    for (const alias of model.aliases ?? []) {
      add(made.storeNames, alias.toLowerCase(), model);
      add(made.storeSpellings, idsMeantBy(alias)[0], model);
    }
  }
  indexes.set(models, made);
  return made;
}
