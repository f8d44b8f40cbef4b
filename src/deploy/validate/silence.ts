/**
 * What is said where the instance does not answer as it should: nobody is there, something else is, it is busy, it breaks off. Called by
 * cli/validate.ts for the first look and by the files of checks around every question.
 */
import { ShimmyError } from "../../contract/errors.ts";
import { type Finding, fail, unmeasured } from "../check.ts";
import { isStopped, parentOf } from "../processes.ts";
import { record } from "./shapes.ts";
import type { Answer, Server, Subject } from "./subject.ts";

/** OpenSSL's words for a certificate that nobody vouches for (node's tls, "X509 certificate error codes"). */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_UNTRUSTED/;
const BUSY = "It is busy: try again when it has less to do, or let it do more at once (--parallel, --max-queue).";
/** As `model_load_failed` says it. */
const UNLOADABLE = /could not be loaded/;
const LOG = "Look into the server's log, and whether its engine has ended.";

/** Why nothing can be asked of it; undefined: a Shimmy answers. */
export async function firstLook(server: Server): Promise<Finding | undefined> {
  try {
    return strangeness(await server.ask("/health"), server.url);
  } catch (error) {
    return unreachable(error, server.url);
  }
}

/** Something answers that is no Shimmy. */
export function strangeness({ status, json, location }: Answer, url: string): Finding | undefined {
  if (record(json)?.service === "shimmy") return undefined;
  const limit = "status ok";
  if (location !== undefined)
    return fail(`status ${status}: it sends to ${location}`, "Name the address that Shimmy has there.", {
      limit,
      command: `shimmy validate --url ${new URL(location).origin}`,
    });
  const rest = new URL(url).pathname.replace(/^\/$/, "");
  if (rest !== "")
    return fail(`status ${status}, and no Shimmy's answer at ${url}/health`, `Leave out ${rest}, unless a proxy has Shimmy there.`, {
      limit,
      command: `shimmy validate --url ${new URL(url).origin}`,
    });
  const advice = "Correct --url if something else listens there; if it is a proxy, look whether the server behind it runs.";
  return fail(`status ${status}, and no Shimmy's answer`, advice, { limit, command: "shimmy serve" });
}

function unreachable(error: unknown, url: string): Finding {
  const { message, details } = ShimmyError.from(error);
  const reason = String(details.reason);
  const limit = "status ok";
  if (UNTRUSTED.test(reason))
    return fail(`its certificate is not trusted here (${reason})`, "Name the file of the authority that has signed it.", {
      limit,
      command: `NODE_EXTRA_CA_CERTS=authority.pem shimmy validate --url ${url}`,
    });
  if (/CERT|ALTNAME/.test(reason))
    return fail(
      `its certificate is not good for this name or time (${reason})`,
      "Renew it, name the server as it does, and look at the clock.",
      {
        limit,
        command: `openssl s_client -connect ${new URL(url).host} </dev/null`,
      },
    );
  if (/EPROTO|WRONG_VERSION/.test(reason))
    return fail(message, "It does not speak TLS there.", { limit, command: `shimmy validate --url ${url.replace("https:", "http:")}` });
  if (/within|broke off|MiB/.test(reason))
    return fail(message, "Something listens, and does not answer: look into its log, or start it again.", {
      limit,
      command: `curl -v ${url}/health`,
    });
  return fail(message, "Start one, or correct --url.", { limit, command: "shimmy serve" });
}

/** Nothing can be measured of an instance that does not answer, or answers nothing to this key. Undefined: go on. */
export function silence({ dead, refused }: Pick<Subject, "dead" | "refused">): Finding | undefined {
  if (dead) return unmeasured("the server does not answer");
  return refused && unmeasured("the server refused the API key");
}

/** The judgement, or what kept it from an answer. */
export async function asked(subject: Subject, judge: (server: Server) => Promise<Finding>): Promise<Finding> {
  const silent = silence(subject);
  if (silent) return silent;
  try {
    return await judge(subject.server);
  } catch (thrown) {
    const { code, details } = ShimmyError.from(thrown);
    if (code === "server_refused") return refusal(Number(details.status), String(details.message));
    if (code !== "server_unreachable") throw thrown;
    return noAnswer(String(details.reason), subject);
  }
}

/** An engine that stands still is found where it can be seen. */
async function noAnswer(reason: string, { server, pid, enginesSeen }: Subject): Promise<Finding> {
  const command = `shimmy ps --url ${server.url}`;
  const measured = `while it was asked: ${reason}`;
  if (!/within/.test(reason)) return fail(measured, LOG, { command });
  const engines = await enginesSeen().catch(() => undefined);
  if (!engines) return fail(measured, "The server itself hangs: look into its log, or start it again.", { command });
  const stopped = engines.find((engine) => parentOf(engine) === pid && isStopped(engine));
  return stopped === undefined
    ? fail(measured, "The server answers and its engine does not: it hangs, is held by a debugger, or is far too slow.", { command })
    : fail(`${measured}; its engine, process ${stopped}, is stopped`, "A SIGSTOP or a debugger holds it: let it go on, or end it.", {
        command: `kill -CONT ${stopped}`,
      });
}

/** A question that should be answered was not. */
export function refusal(status: number, why: string): Finding {
  const measured = `status ${status}: ${why}`;
  if (status === 429) return fail(measured, BUSY, { command: "shimmy ps" });
  if (UNLOADABLE.test(why))
    return fail(measured, "Take it away or get its file again, if the reason is not the machine's; --model asks another one.", {
      command: "shimmy probe MODEL",
    });
  return fail(measured, status >= 500 ? LOG : "Look into the server's log; if the model is not at fault, report it.", {
    command: "shimmy doctor",
  });
}
