/** `shimmy pull`: a model from the hub into the pull folder. Ctrl-C keeps what was fetched. */
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { PullEvent } from "../contract/pull.ts";
import { openHere } from "./open.ts";
import { createDisplay } from "./progress.ts";

export async function pull(loaded: LoadedConfig, model: string, flags: { json?: boolean }): Promise<void> {
  const { puller } = await openHere(loaded);
  const { signal, stoppedBy } = stoppedBySignals();
  const display = createDisplay(process.stderr);
  try {
    for await (const event of puller.pull(model, signal)) {
      if (flags.json) process.stdout.write(`${JSON.stringify(event)}\n`);
      else if (event.status === "success") announce(event);
      else display.show(event);
    }
  } catch (error) {
    display.end();
    const code = stoppedBy();
    if (code === undefined || ShimmyError.from(error).code !== "client_closed") throw error;
    process.stderr.write(`stopped; the same command goes on from here\n`);
    process.exitCode = code;
  }
}

function announce({ model }: PullEvent): void {
  if (model === undefined) process.stderr.write("pulled, but it cannot be served; `shimmy list --log-level debug` says why\n");
  else {
    process.stdout.write(`${model}\n`);
    process.stderr.write(`pulled; try: shimmy run ${model}\n`);
  }
}

/** The first signal ends the pull in order, a second one at once. */
function stoppedBySignals(): { signal: AbortSignal; stoppedBy(): number | undefined } {
  const stop = new AbortController();
  let code: number | undefined;
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    process.on(name, () => {
      if (code !== undefined) process.exit(code);
      code = 128 + number;
      stop.abort();
    });
  }
  return { signal: stop.signal, stoppedBy: () => code };
}
