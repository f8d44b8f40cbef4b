/**
 * Reads a Dockerfile into instructions, by docs.docker.com/reference/dockerfile. Called by build.ts; it touches no disk.
 * Whatever it does not know is an error: an instruction that is skipped in silence would prove nothing.
 */
export interface Instruction {
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  /** What follows name and flags, continuation lines joined. */
  readonly text: string;
  /** The exec form, if it was written as JSON. */
  readonly exec?: readonly string[];
  readonly line: number;
}

/** Of each instruction, the flags that build.ts carries out. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  FROM: [],
  ARG: [],
  ENV: [],
  RUN: [],
  COPY: ["from", "chown", "chmod"],
  WORKDIR: [],
  USER: [],
  EXPOSE: [],
  VOLUME: [],
  HEALTHCHECK: ["interval", "timeout", "start-period", "start-interval", "retries"],
  ENTRYPOINT: [],
  CMD: [],
};

/** @throws Error with the line of what is unknown */
export function parseDockerfile(text: string): readonly Instruction[] {
  return statements(text).map(({ text: statement, line }) => {
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(statement) ?? [];
    const name = word.toUpperCase();
    const known = KNOWN[name];
    if (!known) throw new Error(`line ${line}: the instruction ${word} is not known`);
    if (/<<-?["']?\w/.test(rest)) throw new Error(`line ${line}: here-documents are not known`);
    const { flags, text } = takeFlags(rest);
    for (const flag of Object.keys(flags)) if (!known.includes(flag)) throw new Error(`line ${line}: ${name} --${flag} is not known`);
    const exec = execForm(text);
    return { name, flags, text, line, ...(exec && { exec }) };
  });
}

/** Comment lines go, inside of continuations too; a backslash at the end of a line continues it. */
function statements(text: string): Array<{ text: string; line: number }> {
  const result: Array<{ text: string; line: number }> = [];
  let open: { text: string; line: number } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (/^#\s*(escape|syntax|check)\s*=/i.test(line)) throw new Error(`line ${index + 1}: parser directives are not known`);
    if (/^\s*(#|$)/.test(line)) continue;
    const continued = line.endsWith("\\");
    const part = continued ? line.slice(0, -1) : line;
    open = open ? { ...open, text: open.text + part } : { text: part.trimStart(), line: index + 1 };
    if (continued) continue;
    result.push(open);
    open = undefined;
  }
  if (open) throw new Error(`line ${open.line}: it is continued, and the file ends`);
  return result;
}

function takeFlags(text: string): { flags: Record<string, string>; text: string } {
  const flags: Record<string, string> = {};
  let rest = text;
  for (let found = FLAG.exec(rest); found; found = FLAG.exec(rest)) {
    flags[found[1] as string] = found[2] as string;
    rest = rest.slice(found[0].length);
  }
  if (rest.startsWith("--")) throw new Error(`${rest.split(/\s/, 1)[0]} has no value`);
  return { flags, text: rest };
}
const FLAG = /^--([a-z-]+)=(\S+)\s+/;

function execForm(text: string): readonly string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every((word) => typeof word === "string") ? parsed : undefined;
  } catch {
    return undefined; // Docker takes it as a line of shell then
  }
}

/** `$NAME` and `${NAME}`; a name that is not set is empty. @throws on what a shell would do beyond that */
export function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\\\$|\$\{([^}]*)\}|\$(\w+)/g, (whole, braced: string | undefined, plain: string | undefined) => {
    const name = braced ?? plain;
    if (name === undefined) return "$";
    if (!/^\w+$/.test(name)) throw new Error(`${whole} is not known`);
    return variables[name] ?? "";
  });
}

/** `A=1 B="two words"`, the only form that Docker still advises. */
export function assignments(text: string): ReadonlyArray<readonly [string, string]> {
  const pattern = /\s*([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']*)(?=\s|$)/y;
  const found: Array<readonly [string, string]> = [];
  while (pattern.lastIndex < text.trimEnd().length) {
    const match = pattern.exec(text);
    if (!match) throw new Error(`'${text}' is no list of assignments`);
    const [, name = "", value = ""] = match;
    found.push([name, value.startsWith('"') ? value.slice(1, -1).replace(/\\(["\\])/g, "$1") : value.replace(/^'(.*)'$/s, "$1")]);
  }
  return found;
}

/**
 * Whether a file of the context is sent to the builder. @param ignore the text of .dockerignore: the last pattern that matches decides.
 * @param path without folders; those of the templates have none
 */
export function isSent(path: string, ignore: string): boolean {
  let sent = true;
  for (const line of ignore.split("\n").map((each) => each.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const pattern = line.replace(/^!/, "");
    if (/[/[\]\\]|\*\*/.test(pattern)) throw new Error(`.dockerignore: '${line}' is not known`);
    if (glob(pattern).test(path)) sent = line.startsWith("!");
  }
  return sent;
}

/** `*` and `?` within one name. */
export function glob(pattern: string): RegExp {
  const body = pattern
    .replace(/[.+^$(){}|]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  return new RegExp(`^${body}$`);
}
