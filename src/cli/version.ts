/** `shimmy version`: what a bug report needs. */
import { VERSION } from "../assemble.ts";
import { printJson } from "./output.ts";

export function version({ json }: { json?: boolean }): void {
  if (json) printJson({ shimmy: VERSION, node: process.version, platform: process.platform, arch: process.arch });
  else process.stdout.write(`shimmy ${VERSION} (node ${process.version}, ${process.platform}-${process.arch})\n`);
}
