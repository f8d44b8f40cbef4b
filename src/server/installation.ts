/** What this server knows of its own files: whether they are still there. Made by assemble.ts; asked by /health, told by whoever fails. */
import { ERRORS, type ShimmyError } from "../contract/errors.ts";
import type { Logger } from "../telemetry/log.ts";

export class Installation {
  readonly #isReplaced: () => boolean;
  readonly #log: Logger;
  #told = false;
  #missed = false;

  constructor(isReplaced: () => boolean, log: Logger) {
    this.#isReplaced = isReplaced;
    this.#log = log;
  }

  /** Looks at the disk: one system call. */
  get replaced(): boolean {
    // Once a part was missed it stays so for this process, though its file may be back: Node remembers failed imports.
    const replaced = this.#missed || this.#isReplaced();
    if (replaced) this.#tell();
    return replaced;
  }

  /** A request has failed. */
  failed({ code }: ShimmyError): void {
    if (code !== "package_replaced") return;
    this.#missed = true;
    this.#tell();
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.error("shimmy was updated or removed while it runs: what is loaded goes on", { hint: ERRORS.package_replaced.hint });
  }
}
