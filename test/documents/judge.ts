/** Whether what a command line said is what its document promises. Used by commands.test.ts. */

import { require } from "./checks.ts";
import type { Told } from "./shell.ts";

/** Lines that say nothing when all is well. */
const SILENT = /^([A-Z_]+=|export |\[ |mkdir |cp |mv |chmod |kill |\. |printf )|^sed .*\/dev\/null|touch |ulimit |&$|>\s*\S+( |$)/;

/** @throws Error that says what is wrong */
export function complaint(text: string, { code, stdout, stderr }: Told): void {
  const said = `${stdout}\n${stderr}`.trim();
  require(code !== undefined, `it ended the shell, or was never reached: ${said.slice(-300)}`);
  // npm tells by 143 that its program was ended by a signal, as it is here.
  require(code === 0 || (code === 143 && /^npm start/.test(text)), `it ended with ${code}: ${said.slice(-400)}`);
  require(SILENT.test(text) || said !== "", "it says nothing");
  if (/\b(shimmy|cli\.js) /.test(text)) require(!/\berror\b/.test(stderr), `it complains: ${stderr.slice(-300)}`);
  if (/(^|\s)curl /.test(text) && !/curl[^']*[|>]/.test(text.replace(/'[^']*'/gs, "''"))) answered(text, stdout);
}

/** JSON of the shape of its route, or a stream of it. */
function answered(text: string, stdout: string): void {
  if (/"stream": ?true/.test(text)) {
    require(/^data: \{.*\}$/m.test(stdout) && /^data: \[DONE\]$/m.test(stdout), `it is no stream: ${stdout}`);
    return;
  }
  const path = /http:\/\/[^/\s"]+(\/[^\s"?]*)/.exec(text)?.[1] ?? "/";
  const body = JSON.parse(stdout);
  require(body.error === undefined || body.error === null, `it is answered ${JSON.stringify(body.error)}`);
  if (path.startsWith("/v1/")) require(typeof body.object === "string", "its answer has no `object`");
  if (path === "/health") require(body.status === "ok", `the server is ${body.status}`);
}
