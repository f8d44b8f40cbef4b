/** The words of pulling a model from a hub: what the doors ask for and what they are told meanwhile. Plain data. */

/** One step of a pull, in the shape of Ollama's /api/pull. The last one of a pull that went well has the status "success". */
export interface PullEvent {
  /** For people: "looking up …", "downloading FILE", "verifying sha256 digest", "success". */
  readonly status: string;
  /** `sha256:…` of the file that is worked on. */
  readonly digest?: string;
  /** Bytes of that file, and how many of them are done. */
  readonly total?: number;
  readonly completed?: number;
  /** With "success": the id under which the model can be asked. Absent: the catalogue does not list it. */
  readonly model?: string;
}

export interface Puller {
  /** False: nothing may be fetched (`--offline`). */
  readonly online: boolean;
  /**
   * Pulls of the same model at the same time are one: each caller sees its events, and it ends when the last caller has left.
   * @param model owner/repo[:quant], a file in it, or a URL of the hub.
   * @throws ShimmyError; `client_closed` when the signal is aborted.
   */
  pull(model: string, signal: AbortSignal): AsyncIterable<PullEvent>;
  /** Stops what is running; what was fetched stays and the next pull goes on there. */
  close(): Promise<void>;
}
