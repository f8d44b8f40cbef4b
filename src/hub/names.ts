/**
 * From the names of a hub to paths in the pull folder. Called by everything here that touches the disk. Pure. A name that is not a plain
 * file name on every system (Windows too) is refused, not repaired: two names never become one file.
 *
 *   owner/repo + a/b/model.gguf  →  ROOT/owner/repo/a~b/model.gguf      one folder at most, so the catalogue's walk reaches it
 */
import { join } from "node:path";
import { ShimmyError } from "../contract/errors.ts";

/** Names of devices, with any ending: "Naming Files, Paths, and Namespaces", Microsoft Learn. */
const DEVICES = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])(\.|$)/i;
/** ext4, APFS and NTFS take 255; the names of records are a little longer. */
const MAX_BYTES = 200;

/** Whether it is one ordinary, visible file name on Linux, macOS and Windows. */
export function isPlainName(name: string): boolean {
  return (
    name !== "" &&
    Buffer.byteLength(name) <= MAX_BYTES &&
    !/\p{Surrogate}/u.test(name) &&
    // The tilde too: it joins folders here, and makes short names on Windows (PROGRA~1).
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    !/[\u0000-\u001f\u007f-\u009f<>:"/\\|?*~]/.test(name) &&
    !/^[. -]|[. ]$/.test(name) &&
    !DEVICES.test(name)
  );
}

/** The folder of a file of a repository. @throws hub_answer_invalid */
export function localFolder(root: string, repo: string, hubPath: string): string {
  const folders = hubPath.split("/").slice(0, -1);
  const names = [...repo.split("/").map(checked), ...(folders.length === 0 ? [] : [folders.map(checked).join("~")])];
  return join(root, ...names);
}

/** @throws hub_answer_invalid unless it is a plain name that ends in .gguf. */
export function localName(hubPath: string): string {
  const name = checked(hubPath.split("/").at(-1) ?? "");
  if (!/\.gguf$/i.test(name)) throw new ShimmyError("hub_answer_invalid", { reason: `${JSON.stringify(name)} is no GGUF file` });
  return name;
}

function checked(name: string): string {
  if (isPlainName(name)) return name;
  throw new ShimmyError("hub_answer_invalid", { reason: `${JSON.stringify(name.slice(0, 100))} cannot be the name of a file here` });
}
