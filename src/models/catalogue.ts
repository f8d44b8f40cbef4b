/**
 * Every model that can be had: the given files, then the folders, then the stores of other programs, then the embedded one. Made by cli/
 * and the library; asked by the pool and the server. Reads nothing, not even its own code for it (`scan.ts`), until it is first asked.
 * It must not know what is loaded.
 */
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import type { AdapterInfo, ModelInfo } from "../contract/model.ts";
import type { ModelDescription } from "./describe.ts";
import type { Examiner } from "./examine.ts";
import type { EqualName, PlaceReport, Scan } from "./scan.ts";
import type { Place, Skipped, Surroundings } from "./stores/store.ts";
import type { FolderWatch } from "./watch.ts";

export type { Skipped } from "./stores/store.ts";
export type { EqualName, PlaceReport };

export interface CatalogueOptions {
  /** Searched recursively, in this order. One that does not exist is empty. Without a label its last name is its `source`. */
  readonly dirs: ReadonlyArray<string | { readonly path: string; readonly label: string }>;
  /** Single files, preferred to those of the folders. `check` says which of them cannot be used. */
  readonly files: readonly string[];
  /** The path of Shimmy Tiny; absent: turned off. */
  readonly embedded?: string;
  /** Stores of other programs: names of `stores/`, or "auto" for all. Absent: none. */
  readonly stores?: readonly string[];
  /** Needed for the stores and the cache. */
  readonly around?: Surroundings;
  /** True: what headers say outlives the process, in the user's cache folder. */
  readonly cachesHeaders?: boolean;
  /** True: folders are watched after the first list, so that later ones need not look. Call `close` at the end. */
  readonly watches?: boolean;
  /** Told once for each file (or folder) and reason. */
  readonly onSkip?: (path: string, reason: string) => void;
  /** Told once for each model that is listed under another name than its own. */
  readonly onEqualName?: (equal: EqualName) => void;
  /** Told when the cache of headers cannot be written. */
  readonly onCacheError?: (error: unknown) => void;
  /** Asked before each load, after the header: whether the content is what it should be. Throws what the caller is told. */
  readonly beforeLoad?: (listed: ModelInfo, now: ModelDescription) => Promise<void>;
  /** How long a list is taken for true without looking at the disk, in milliseconds. */
  readonly maxAgeMs?: number;
}

/** What a look at all places found. */
export interface Discovery {
  readonly models: readonly ModelInfo[];
  readonly adapters: readonly AdapterInfo[];
  readonly places: readonly PlaceReport[];
  readonly equalNames: readonly EqualName[];
  /** Ids that the list before this look did not have, and those that only it had. */
  readonly appeared: readonly string[];
  readonly gone: readonly string[];
}

const DEFAULT_MAX_AGE_MS = 1000;
/** A watched folder is looked at after this long all the same: network file systems do not tell what others do. */
const WATCHED_MAX_AGE_MS = 30_000;
const LONGEST_REST_MS = 30_000;
/** A slow disk is looked at more rarely: so many times as long as a look takes, more where nobody says that something changed. */
const REST = 20;
const REST_AFTER_CHANGE = 2;

const NEVER = Number.NEGATIVE_INFINITY;
const EMPTY: Scan = { models: [], adapters: [], places: [], equalNames: [], ids: new Map() };

export class Catalogue {
  #last: Scan = EMPTY;
  #scannedAt = NEVER;
  #costMs = 0;
  #scanning: Promise<void> | undefined;
  #examiner: Examiner | undefined;
  #watch: FolderWatch | undefined;
  #closed = false;
  /** A file was not what the list says. */
  #doubted = false;
  #counted = { at: NEVER, files: 0, costMs: 0 };

  constructor(private readonly options: CatalogueOptions) {}

  /** In order of preference, the embedded model last. */
  async list(): Promise<readonly ModelInfo[]> {
    if (await this.#isStale()) await this.scan();
    return this.#last.models;
  }

  /** LoRA files, as old as the list. */
  async adapters(): Promise<readonly AdapterInfo[]> {
    await this.list();
    return this.#last.adapters;
  }

  /**
   * How many models there are, without reading any as long as nobody has asked for the list: until then a file counts by its name
   * alone. For health checks, which an idle server answers for days.
   */
  async count(): Promise<number> {
    if (this.#scannedAt > NEVER || this.#scanning) return (await this.list()).length;
    const { at, costMs } = this.#counted;
    const began = performance.now();
    if (began - at > this.#age(costMs * REST)) {
      const { survey } = await import("./survey.ts");
      const files = (await survey(await this.#places())).candidates.length;
      this.#counted = { at: performance.now(), files, costMs: performance.now() - began };
    }
    return this.#counted.files;
  }

  /** Looks at the disk now; calls at the same time share one look. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** Looks at the disk now, and tells everything that was seen. */
  async discover(): Promise<Discovery> {
    // A look that has begun may have missed what the caller means.
    await this.#scanning;
    const before = new Set(this.#last.models.map(({ id }) => id));
    await this.scan();
    const { models, adapters, places, equalNames } = this.#last;
    const now = new Set(models.map(({ id }) => id));
    return {
      ...{ models, adapters, places, equalNames },
      appeared: [...now].filter((id) => !before.has(id)),
      gone: [...before].filter((id) => !now.has(id)),
    };
  }

  /** What the last scan found and did not list, and why. */
  skipped(): readonly Skipped[] {
    return this.#last.places.flatMap(({ skipped }) => skipped);
  }

  /** Why those of the explicitly given files that cannot be used cannot: for the caller to end or warn at start. */
  async check(): Promise<ShimmyError[]> {
    if (this.options.files.length === 0) return [];
    const { readModelFile } = await import("./model-file.ts");
    const results = await Promise.all(
      this.options.files.map((path) => readModelFile(resolve(path)).then(() => undefined, ShimmyError.from)),
    );
    return results.filter((error) => error !== undefined);
  }

  /**
   * Reads the header again just before a load, so that a file which was cut or replaced since it was listed never reaches libllama.
   * @returns what the file is now, under the same id.
   * @throws model_load_failed, model_not_verified, whose texts name no path.
   */
  async verify(info: ModelInfo): Promise<ModelInfo> {
    const { readModelFile } = await import("./model-file.ts");
    try {
      const now = await readModelFile(info.path);
      await this.options.beforeLoad?.(info, now);
      return { ...now, ...listed(info) };
    } catch (error) {
      const { reasonOf } = await import("./examine.ts");
      this.#doubted = true;
      throw new ShimmyError("model_load_failed", { model: info.id, reason: reasonOf(error) }, { cause: error });
    }
  }

  /** Stops watching, and waits for what is being written. Lists still work, by age. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#scanning?.catch(() => undefined);
    this.#watch?.close();
    await this.#examiner?.settled();
  }

  async #scan(): Promise<void> {
    const began = performance.now();
    const [{ scan }, { Examiner }, places] = await Promise.all([import("./scan.ts"), import("./examine.ts"), this.#places()]);
    this.#examiner ??= new Examiner(await this.#examinerOptions());
    this.#doubted = false;
    this.#watch?.forget();
    const { folders, ...result } = await scan(places, this.#examiner, this.#last.ids);
    const before = this.#last;
    this.#last = result;
    await this.#watchFolders([...folders, ...this.options.files.map((file) => dirname(resolve(file)))]);
    this.#tell(before, result);
    this.#scannedAt = performance.now();
    this.#costMs = this.#scannedAt - began;
  }

  async #isStale(): Promise<boolean> {
    const age = performance.now() - this.#scannedAt;
    if (this.#doubted) return true;
    if (age <= this.#age(this.#costMs * REST_AFTER_CHANGE)) return false;
    if (!this.#watch?.works) return age > this.#age(this.#costMs * REST);
    if (this.#watch.changed || age > WATCHED_MAX_AGE_MS) return true;
    // What is not there cannot be watched.
    const missing = this.#last.places
      .filter(({ exists }) => !exists)
      .map(({ path }) =>
        access(path).then(
          () => true,
          () => false,
        ),
      );
    return (await Promise.all(missing)).includes(true);
  }

  /** How old a look may become after which this rest is due, in milliseconds. Who wants none has none. */
  #age(restMs: number): number {
    const { maxAgeMs = DEFAULT_MAX_AGE_MS } = this.options;
    return maxAgeMs <= 0 ? maxAgeMs : Math.max(maxAgeMs, Math.min(restMs, LONGEST_REST_MS));
  }

  async #places(): Promise<Place[]> {
    const { dirs, files, embedded, stores = [], around } = this.options;
    const { placesOf, EMBEDDED, GIVEN_FILE } = await import("./survey.ts");
    return [
      ...files.map((path) => filePlace(path, GIVEN_FILE)),
      ...(await placesOf(dirs, around ? stores : [], around)),
      ...(embedded === undefined ? [] : [filePlace(embedded, EMBEDDED)]),
    ];
  }

  async #examinerOptions(): Promise<ConstructorParameters<typeof Examiner>[0]> {
    const { cachesHeaders, around, onCacheError } = this.options;
    if (!cachesHeaders || !around) return {};
    const { cacheFile } = await import("./header-cache.ts");
    return { cacheFile: cacheFile(around), ...(onCacheError && { onCacheError }) };
  }

  async #watchFolders(folders: readonly string[]): Promise<void> {
    if (!this.options.watches || this.#closed) return;
    const { FolderWatch } = await import("./watch.ts");
    if (this.#closed) return;
    this.#watch ??= new FolderWatch();
    this.#watch.update(folders);
  }

  /** What the last look did not tell already. */
  #tell(before: Scan, { places, equalNames }: Scan): void {
    const said = new Set(before.places.flatMap(({ skipped }) => skipped.map(keyOf)));
    for (const skip of places.flatMap(({ skipped }) => skipped)) if (!said.has(keyOf(skip))) this.options.onSkip?.(skip.path, skip.reason);
    const equal = new Set(before.equalNames.map(({ id }) => id));
    for (const each of equalNames) if (!equal.has(each.id)) this.options.onEqualName?.(each);
  }
}

/** What the list knows of a model and its file does not tell. */
function listed({
  id,
  source,
  aliases,
  digest,
  defaults,
}: ModelInfo): Pick<ModelInfo, "id" | "source" | "aliases" | "digest" | "defaults"> {
  return { id, source, ...(aliases && { aliases }), ...(digest !== undefined && { digest }), ...(defaults && { defaults }) };
}

function keyOf({ path, reason }: Skipped): string {
  return `${path}\n${reason}`;
}

function filePlace(path: string, label: string): Place {
  const absolute = resolve(path);
  return {
    label,
    path: absolute,
    find: async () => ({
      exists: await stat(absolute).then(
        () => true,
        () => false,
      ),
      files: [{ path: absolute }],
      skipped: [],
      folders: [],
    }),
  };
}
