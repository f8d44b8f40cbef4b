/** What a store of models is: the words that the catalogue and the files of this folder share. It must not know any store. */
import type { Surroundings as ConfigSurroundings } from "../../config/file.ts";
import type { ModelDefaults } from "../../contract/model.ts";

/** The machine as the stores see it; tests give their own, so that each system's paths are tried on all. */
export type Surroundings = Omit<ConfigSurroundings, "cwd">;

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** A file that may be a model. */
export interface FoundFile {
  readonly path: string;
  /** Where it really lies, if that is known already. */
  readonly real?: string;
  /** What the store calls it; absent: its file name tells. */
  readonly name?: string;
  readonly aliases?: readonly string[];
  /** "owner/repository" of a hub; with the quantisation behind it, it is another alias. */
  readonly repository?: string;
  readonly defaults?: ModelDefaults;
}

export interface Found {
  readonly exists: boolean;
  /** In a stable order. */
  readonly files: readonly FoundFile[];
  readonly skipped: readonly Skipped[];
  /** Every folder that was read: something changes in one of them when something changes here. */
  readonly folders: readonly string[];
}

export const NOTHING: Found = { exists: false, files: [], skipped: [], folders: [] };

/** `source` of the model that comes with the package. It is that model even if a folder has its file. */
export const EMBEDDED = "embedded";
/** `source` of the single files. One that is not there is told as a file, not as a place. */
export const GIVEN_FILE = "given file";

/** A place where models may lie. */
export interface Place {
  /** For people: "ollama", "models". Never a path. */
  readonly label: string;
  /** Absolute. */
  readonly path: string;
  /** Reads folders and small files such as manifests, never weights. A place that is not there is `NOTHING`. */
  find(): Promise<Found>;
}

export interface Store {
  readonly name: string;
  /** Where it lies on this machine, whether or not it is there; the same folder may be named twice. */
  places(around: Surroundings): Promise<readonly Place[]>;
}
