/** What a template of `shimmy init` is. Implemented by the files of templates/; they are pure and know no disk. */
import type { TemplateOptions } from "./options.ts";

export interface TemplateFile {
  /** Below the folder that is written to, with forward slashes, never absolute and without "..". */
  readonly path: string;
  readonly text: string;
  /** Permissions; absent: 0o644. */
  readonly mode?: number;
}

export interface Template {
  /** As typed behind --template: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** Other names that are typed for it ("k8s"). */
  readonly aliases?: readonly string[];
  /** One line of the list: what it writes. */
  readonly summary: string;
  /** A `README-<name>.md` is always among them, so that several templates can lie in one folder beside the project's own README.md. */
  files(options: TemplateOptions): readonly TemplateFile[];
}
