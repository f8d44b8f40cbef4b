/** The templates of `shimmy init`, in the order in which they are listed. A new one is a file of this folder and a line here. */
import type { Template } from "../template.ts";

export const TEMPLATES: readonly Template[] = [];
