/**
 * Every command line that users can read is typed as it stands against the built command line, with a server that runs, and does what it says;
 * or it is on the list of exceptions.ts, with a reason and a weaker check. A new line is run, whatever it is.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { EXCEPTIONS, type Exception, PLACEHOLDERS } from "./exceptions.ts";
import { complaint } from "./judge.ts";
import { type Line, linesOf } from "./lines.ts";
import { isMention, usage } from "./mentions.ts";
import { install, likeRepository, serves, type Told, type } from "./shell.ts";
import { documents, findings, helpExamples, type Source, templates } from "./sources.ts";

const folder = temporaryFolder();
const prefix = install(join(folder, "prefix"));
const sources = [...documents(), ...(await templates(join(folder, "templates"))), helpExamples(join(folder, "help")), findings()];

/** Programs that change what is outside of the folder: they are typed by nobody here, whatever a document says. */
const OUTSIDE =
  /(^|[|&;(]\s*)(sudo|systemctl|launchctl|apt|apt-get|brew|docker|kubectl|helm|fly|railway|sam|haproxy|nginx|chown|rm -\w*r\w*)\b/;

const used = new Set<Exception>();
const seen = new Set<string>();
let ran = 0;
let asked: TestServer;
/** Its models are loaded and let go by the lines themselves, which would disturb the answers of the other. */
let managed: TestServer;

beforeAll(async () => {
  [asked, managed] = await Promise.all([startServer(), startServer()]);
});
afterAll(() => Promise.all([asked.stop(), managed.stop()]));

function exceptionFor({ source, text }: Line): Exception | undefined {
  const found = EXCEPTIONS.find((each) => each.line.test(text) && (each.source ?? /^/).test(source.name));
  if (found) used.add(found);
  return found;
}

/** As it is typed here. */
function typed(text: string): { text: string; port: number } {
  let changed = text;
  for (const [written, instead] of PLACEHOLDERS) changed = changed.replaceAll(new RegExp(written, "g"), instead);
  if (serves(changed)) return { text: changed.replaceAll("11435", "0"), port: 0 };
  const port = /\b(shimmy|cli\.js) (ps|load|unload|batch|alerts)\b/.test(changed) ? managed.port : 0;
  return { text: changed.replaceAll(/\bcurl (?!-f )/g, "curl -sS --fail-with-body ").replaceAll("11435", `${asked.port}`), port };
}

const attempt = async (line: Line, check: (line: Line) => unknown) => {
  try {
    await check(line);
  } catch (error) {
    return `${line.source.name}:${line.line}: ${line.text}: ${(error as Error).message}`;
  }
};

async function complaintsOf(source: Source): Promise<string[]> {
  const complaints: Array<string | undefined> = [];
  const lines: Line[] = [];
  for (const line of linesOf(source)) {
    const exception = exceptionFor(line);
    if (exception) complaints.push(await attempt(line, exception.check));
    else if (OUTSIDE.test(line.text))
      complaints.push(`${line.source.name}:${line.line}: ${line.text}: never typed here: it needs an exception`);
    else if (line.inline && (await isMention(line))) complaints.push(await attempt(line, usage));
    else if (!line.inline || !seen.has(line.text)) lines.push(line);
    if (line.inline) seen.add(line.text);
  }
  ran += lines.length;
  const told = await type(lines.map(({ text }) => typed(text)), source.folder ?? likeRepository(folder), prefix); // biome-ignore format: one step a call
  const judged = lines.map((line, index) => attempt(line, () => complaint(typed(line.text).text, told[index] as Told)));
  return [...complaints, ...(await Promise.all(judged))].filter((each) => each !== undefined);
}

test.concurrent.each(sources)("$name: each command line does what it says", { timeout: 120_000 }, async (source) => {
  expect(await complaintsOf(source)).toEqual([]);
});

test("most of them are really run, and each exception is needed", () => {
  expect(ran).toBeGreaterThan(100);
  expect(EXCEPTIONS.filter((each) => !used.has(each)).map(({ line }) => line)).toEqual([]);
});
