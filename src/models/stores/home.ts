/** Folders of the user that belong to no other program: ~/models, and where Shimmy itself (the Rust original too) keeps models. */
import { join } from "node:path";
import { userDataFolder } from "../../config/data-folder.ts";
import { folderPlace } from "./folders.ts";
import type { Store } from "./store.ts";

export const home: Store = {
  name: "home",
  places: async (around) => [
    folderPlace(join(around.home, "models"), "home"),
    folderPlace(join(userDataFolder(around), "models"), "shimmy"),
  ],
};
