/** Ends what a command has started when the command is told to end. Called by `validate`, `plan` and `init`. */

/** A SIGTERM to this process alone would leave behind what it has started. @returns what takes the handlers off again */
export function endOnSignal(ending: AbortController): () => void {
  const end = (signal: NodeJS.Signals) => {
    ending.abort();
    process.exit(signal === "SIGTERM" ? 143 : 130);
  };
  process.once("SIGTERM", end).once("SIGINT", end);
  return () => void process.off("SIGTERM", end).off("SIGINT", end);
}
