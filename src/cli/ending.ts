/** What a signal does to a command that has started something. Called by `validate`, `plan`, `init` and `bench`; `serve` drains (serve.ts). */

/**
 * Exits at once, for half a checklist or plan is of no use. What was started ends with the signal of `ending`: a SIGTERM to this process
 * alone would leave it behind. @returns what takes the handlers off again
 */
export function exitOnSignal(ending: AbortController): () => void {
  const end = (signal: NodeJS.Signals) => {
    ending.abort();
    process.exit(exitCodeOf(signal));
  };
  return onSignals(end);
}

/**
 * Only aborts, so that the command tells what it has measured so far; a second signal ends it at once.
 * @returns to be called at the end: it takes the handlers off, and sets the exit code of the signal if one came
 */
export function abortOnSignal(ending: AbortController): () => void {
  let code: number | undefined;
  const release = onSignals((signal) => {
    code = exitCodeOf(signal);
    ending.abort();
    release();
  });
  return () => {
    release();
    if (code !== undefined) process.exitCode = code;
  };
}

function onSignals(end: (signal: NodeJS.Signals) => void): () => void {
  process.on("SIGTERM", end).on("SIGINT", end);
  return () => void process.off("SIGTERM", end).off("SIGINT", end);
}

function exitCodeOf(signal: NodeJS.Signals): number {
  return signal === "SIGTERM" ? 143 : 130;
}
