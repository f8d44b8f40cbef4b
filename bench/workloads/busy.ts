/** Decoding while another program keeps every core busy, as for everyone who compiles while chatting. */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { RequestRecord } from "../../src/bench/measure/client.ts";
import { runDecode } from "../../src/bench/workloads/decode.ts";
import type { Workload, WorkloadContext } from "../../src/bench/workloads/workload.ts";

/** The spinner ends by itself when its parent is gone, or after five minutes. */
const SPIN = `const parent=process.ppid,end=Date.now()+3e5;for(let i=0;;i++)if(i%1e7===0&&(Date.now()>end||process.ppid!==parent))process.exit()`;
const SETTLE_MS = 300;
/** A starved server may need a minute for two answers; more would say nothing new. */
const REQUESTS = 1;

function busy(clients: number): Workload {
  return {
    name: `busy${clients}`,
    summary: `decode at ${clients === 1 ? "1 client" : `${clients} clients`} beside a spinning process per core`,
    clients: [clients],
    fixedClients: true,
    makesNoise: true,
    run: runBusy,
  };
}

export const busy1 = busy(1);
export const busy4 = busy(4);

async function runBusy(context: WorkloadContext): Promise<RequestRecord[]> {
  const spinners = Array.from({ length: availableParallelism() }, () => spawn(process.execPath, ["-e", SPIN], { stdio: "ignore" }));
  const stop = () => killAll(spinners);
  process.once("exit", stop);
  try {
    await sleep(SETTLE_MS);
    return await runDecode({ ...context, requests: context.requests ?? REQUESTS });
  } finally {
    stop();
    process.off("exit", stop);
  }
}

function killAll(children: readonly ChildProcess[]): void {
  for (const child of children) child.kill("SIGKILL");
}
