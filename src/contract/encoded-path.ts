/** Names with slashes, of models and of files in repositories, as a part of a URL's path. Used by whoever asks for one over HTTP. Pure. */

/** The slashes stay; all else that means something in a URL does not. */
export function encodedPath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}
