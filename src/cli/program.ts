/** The commands and their flags, as commander shows and parses them. Settings come from the table of config/. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { VERSION } from "../assemble.ts";
import { flagsFor } from "../config/describe.ts";
import type { FlagValues, LoadedConfig } from "../config/load.ts";
import { loadConfig } from "../config/load.ts";
import type { CommandName } from "../config/table.ts";

/** @returns the exit code of what was typed, where commander knows it. @throws what the command throws */
export async function runProgram(words: readonly string[]): Promise<typeof process.exitCode> {
  try {
    await createProgram().parseAsync(words, { from: "user" });
    return process.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

export function createProgram(): Command {
  const program = new Command("shimmy")
    .description("Serves every GGUF model you own through the OpenAI API, on one port, without Python.")
    .version(VERSION, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(see --help)")
    .addHelpText("after", example('npx shimmy run "Tell me a story about a fox"'));

  const serve = command(program, "serve", "start the server", "shimmy serve --bind 127.0.0.1:0");
  serve.option("--json", "print the ready line as JSON");
  serve.action(async (flags) => (await import("./serve.ts")).serve(await settings(serve), flags));

  const list = command(program, "list", "list the models that can be served", 'shimmy list --short | grep "llama"');
  list.option("-s, --short", "one id a line, nothing else").option("--json", "for programs");
  list.action(async (flags) => (await import("./list.ts")).list(await settings(list), flags));

  const show = command(program, "show", "show all that is known of a model", "shimmy show shimmy-tiny --metadata");
  show.argument("<model>").option("--template", "print its chat template");
  show.option("--metadata", "print the metadata of its file").option("--json", "for programs");
  show.action(async (model, flags) => (await import("./show.ts")).show(await settings(show), model, flags));

  const cp = command(program, "cp", "give a model another name; nothing is copied", "shimmy cp smollm2-135m-instruct-q4_1 fast");
  cp.argument("<model>").argument("<alias>", "a name, or a pattern with one '*' such as 'gpt-*'").option("--json", "for programs");
  cp.action(async (model, alias, flags) => (await import("./cp.ts")).cp(await settings(cp), model, alias, flags));

  const discover = command(
    program,
    "discover",
    "look for models everywhere, and tell what was found and skipped",
    "shimmy discover --json",
  );
  discover.option("--json", "for programs");
  discover.action(async (flags) => (await import("./discover.ts")).discover(await settings(discover), flags));

  const run = command(program, "run", "answer a prompt, or chat", 'shimmy run smollm2-135m-instruct-q4_1 "Why is the sky blue?"');
  run
    .argument("[model]", "a single argument that names no model is the prompt")
    .argument("[prompt]", "absent: from stdin, or an interactive chat");
  run.option("--no-think", "answer at once, where the model can");
  run.option("--system <text>", "instructions for the model").option("--max-tokens <n>", "length of an answer", positive);
  run.action(async (model, prompt, flags) => (await import("./run.ts")).run(await settings(run), model, prompt, flags));

  const generate = command(
    program,
    "generate",
    "answer one prompt and end",
    'shimmy generate shimmy-tiny --prompt "hello" --max-tokens 32',
  );
  generate.argument("<model>").requiredOption("--prompt <text>", "what to answer");
  generate
    .option("--max-tokens <n>", "length of the answer", positive)
    .option("--raw", "continue the text itself, without the chat template");
  generate.option("--json", "the answer with its token counts, for programs");
  generate.action(async (model, flags) => (await import("./generate.ts")).generate(await settings(generate), model, flags));

  const embed = command(program, "embed", "make vectors of texts, as JSON", 'shimmy embed "hello world" "good morning" --model all-minilm');
  embed.argument("<text...>").option("--model <name>", "which model; else the first embedding model");
  embed.option("--truncate", "cut what is longer than the model reads");
  embed.action(async (texts, flags) => (await import("./embed.ts")).embed(await settings(embed), texts, flags));

  const probe = command(program, "probe", "load a model and let it go: does it work here?", "shimmy probe shimmy-tiny");
  probe.argument("<model>").option("--json", "for programs");
  probe.action(async (model, flags) => (await import("./probe.ts")).probe(await settings(probe), model, flags));

  const pull = command(program, "pull", "fetch a model from the Hugging Face hub", "shimmy pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0");
  pull
    .argument("<model>", "owner/repo[:quantisation], a file in it, or its URL; with @revision if need be")
    .option("--json", "an event a line, for programs");
  pull.action(async (model, flags) => (await import("./pull.ts")).pull(await settings(pull), model, flags));

  const rm = command(program, "rm", "remove an alias, or a model that was pulled", "shimmy rm bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0");
  rm.argument("<model>", "an alias, an id, or what was pulled").option("-y, --yes", "do not ask");
  rm.action(async (model, flags) => (await import("./rm.ts")).rm(await settings(rm), model, flags));
  const ps = command(program, "ps", "show what a running server has loaded", "shimmy ps");
  ps.addOption(serverUrl()).option("--json", "for programs");
  ps.action(async (flags) => (await import("./ps.ts")).ps(await settings(ps), flags));

  const load = command(program, "load", "have a running server load a model", "shimmy load shimmy-tiny --keep-alive 30m");
  load.argument("<model>").addOption(serverUrl()).option("--json", "for programs");
  load.option("--keep-alive <time>", "how long it stays unused: 5m, seconds, or -1 until its room is needed");
  load.action(async (model, flags) => (await import("./load.ts")).load(await settings(load), model, flags));

  const unload = command(program, "unload", "have a running server let a model go", "shimmy unload shimmy-tiny");
  unload.argument("<model>").addOption(serverUrl()).option("--json", "for programs");
  unload.option("--force", "do not wait for running requests: they fail");
  unload.action(async (model, flags) => (await import("./unload.ts")).unload(await settings(unload), model, flags));

  const batch = command(program, "batch", "have a running server answer the requests of a file", "shimmy batch submit requests.jsonl");
  batch.addArgument(new Argument("<action>").choices(["submit", "list", "show", "cancel", "results"]));
  batch.argument("[what]", "submit: a file of requests, a line each; show, cancel, results: the id of a batch");
  batch.addOption(serverUrl()).option("--json", "for programs");
  batch.action(async (action, what = "", flags) => {
    if (what === "" && action !== "list")
      batch.error(`error: ${action} needs ${action === "submit" ? "a file of requests" : "the id of a batch"}`);
    await (await import("./batch.ts")).batch(await settings(batch), action, what, flags);
  });

  const alerts = command(
    program,
    "alerts",
    "show how alerts stand, silence one, or print them as rules of Prometheus",
    "shimmy alerts export > rules.yaml",
  );
  alerts.addArgument(new Argument("<action>").choices(["list", "silence", "export"]));
  alerts.argument("[name]", "silence: of the alert").option("--for <time>", "silence: how long, at most 7d; 0 ends it", "1h");
  alerts.addOption(serverUrl()).option("--json", "for programs");
  alerts.action(async (action, name = "", flags) => {
    if (name === "" && action === "silence") alerts.error("error: silence needs the name of an alert");
    await (await import("./alerts.ts")).alerts(await settings(alerts), action, name, flags);
  });

  const dashboard = program.command("dashboard").description("print a Grafana dashboard over the metrics of this server");
  dashboard.addArgument(new Argument("<action>").choices(["export"]));
  dashboard.addHelpText("after", example("shimmy dashboard export > shimmy.json"));
  dashboard.action(async () => (await import("./dashboard.ts")).dashboard());

  const verify = command(program, "verify", "check model files: structure, and content against its digest", "shimmy verify --write");
  verify.argument("[models...]", "absent: all of them");
  verify.option("--write", "write shimmy.lock with what the files contain now").option("--json", "for programs");
  verify.action(async (models, flags) => (await import("./verify.ts")).verify(await settings(verify), models, flags));

  const validate = command(
    program,
    "validate",
    "check a server, or this installation, against the whole checklist",
    "shimmy validate --junit report.xml",
  );
  validate.addOption(new Option("--url <url>", "the server to check; default: one that is started for it, on a free port"));
  validate.option("--model <name>", "the model to test with; else a loaded one, or the smallest that fits");
  validate.option("--junit <file>", "write the result as JUnit's XML too").option("--json", "for programs");
  validate.action(async (flags) => (await import("./validate.ts")).validate(await settings(validate), flags));

  addBenchCommand(program);

  const doctor = command(program, "doctor", "find what is wrong on this machine, and what to type next", "shimmy doctor");
  doctor.option("--json", "for programs");
  doctor.action(async (flags) => (await import("./doctor.ts")).doctor(() => settings(doctor), flags));

  const gpuInfo = command(program, "gpu-info", "show what models can be computed on, and how to get more", "shimmy gpu-info --json");
  gpuInfo.option("--json", "for programs");
  gpuInfo.action(async (flags) => (await import("./gpu-info.ts")).gpuInfo(await settings(gpuInfo), flags));

  addDeployCommands(program);
  addEngineCommands(program);

  const config = command(program, "config", "show the settings and where each value comes from", "shimmy config --json");
  config.option("--json", "for programs");
  config.action(async (flags) => (await import("./config.ts")).config(await settings(config), flags));

  const version = program.command("version").description("print the versions of shimmy and node").option("--json", "for programs");
  version.addHelpText("after", example("shimmy version --json"));
  version.action(async (flags) => (await import("./version.ts")).version(flags));
  return program;
}

function addBenchCommand(program: Command): void {
  const typed =
    "shimmy bench --rounds 1\n  $ shimmy bench --workloads decode,mixed --html bench.html\n  $ shimmy bench --against http://127.0.0.1:8080";
  const bench = command(program, "bench", "measure a model on this machine, also beside another server", typed);
  bench.option("--model <name>", "the model to measure; else the one that answers when none is named");
  bench.option("--url <url>", "the server to measure, with --api-key; default: one that is started for it, with these settings");
  bench.option("--against <url>", "another OpenAI-compatible server, measured in turn with the same requests");
  bench.addOption(
    new Option("--against-key <key>", "its API key; better in the environment, where no list of processes shows it").env("AGAINST_API_KEY"),
  );
  bench.option("--against-model <name>", "its name for the model; default: the same, or its only one");
  bench.option("-w, --workloads <names>", "separated by commas; default: all").option("--list", "say what the workloads do");
  bench.option("--rounds <n>", "how often each case is run", positive, 3).option("--tokens <n>", "length of the answers", positive);
  bench
    .option("--clients <list>", "numbers of clients of decode, instead of 1,4,8")
    .option("--seed <n>", "of the prompts; default: chosen anew");
  bench.option("--html <file>", "write a page with plots too").option("--json", "for programs");
  bench.action(async (flags) => (await import("./bench.ts")).bench(await settings(bench), flags));
}

function addDeployCommands(program: Command): void {
  const init = command(program, "init", "write the files that deploy a server", "shimmy init --template docker --name chat --port 8080");
  init.option("-t, --template <name>", "what to write; --list says what there is").option("--list", "list the templates");
  init.option("-n, --name <name>", "of the service").option("--port <port>", "that it listens on");
  init.option("--models <names>", "models that it serves, separated by commas; may be given more than once", collect);
  init.option("--replicas <n>", "instances").option("--memory <size>", "of an instance: 512M, 2Gi").option("--cpus <n>", "of an instance");
  init.option("-o, --out <folder>", "where to write", ".").addOption(new Option("--output <folder>").hideHelp());
  const stated = (made: Command) =>
    made
      .option("--rps <requests>", "expected traffic: requests a second, or 120/min, 5000/hour")
      .option("--p95 <time>", "within which 95% of requests must be answered whole: 5s, 800ms")
      .option("--prompt-tokens <n>", "of a usual request")
      .option("--answer-tokens <n>", "of a usual answer");
  stated(init).option("--application <name>", "the application that is to be integrated (template integration)");
  init.option("--model <name>", "the model to measure (template integration)");
  init.option("--force", "overwrite what is there").option("--json", "for programs");
  init.action(async (flags) => (await import("./init.ts")).init(await settings(init), flags));

  const plan = command(
    program,
    "plan",
    "measure a model here, and say what traffic needs",
    "shimmy plan --rps 2 --p95 5s --answer-tokens 100",
  );
  stated(plan)
    .option("--model <name>", "the model to measure; else the one that answers when none is named")
    .option("--json", "for programs");
  plan.action(async (flags) => (await import("./plan.ts")).plan(await settings(plan), flags));
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** They read no settings: what they change is the same for all. */
function addEngineCommands(program: Command): void {
  const engine = program.command("engine").description("add and remove the engines for GPUs");
  const words = (name: string, description: string, typed: string) =>
    engine.command(name).description(description).option("--json", "for programs").addHelpText("after", example(typed));
  const backend = () => new Argument("<backend>", "what the GPU speaks").choices(["cuda", "vulkan"]);
  words("list", "show the engines that are here, and those that could be", "shimmy engine list").action(async (flags) =>
    (await import("./engine.ts")).listEngines(flags),
  );
  words("install", "fetch an engine from the registry that npm is set to", "shimmy engine install vulkan")
    .addArgument(backend())
    .option("--force", "fetch it again although it is there")
    .action(async (name, flags) => (await import("./engine.ts")).installEngine(name, flags));
  words("remove", "remove an engine that was installed by shimmy", "shimmy engine remove vulkan")
    .addArgument(backend())
    .action(async (name, flags) => (await import("./engine.ts")).removeEngine(name, flags));
}

function serverUrl(): Option {
  return new Option("--url <url>", "the server to ask; default: where the settings would have it listen");
}

function command(program: Command, name: CommandName, description: string, typed: string): Command {
  const made = program.command(name).description(description).addHelpText("after", example(typed));
  for (const { syntax, description, repeatable, hidden } of flagsFor(name)) {
    const option = new Option(syntax, description).hideHelp(hidden);
    if (repeatable) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    made.addOption(option);
  }
  return made;
}

function settings(command: Command): Promise<LoadedConfig> {
  return loadConfig(typedFlags(command));
}

/** Only flags that were typed: commander's own defaults must not override the environment or the file. */
export function typedFlags(command: Command): FlagValues {
  const given = Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === "cli");
  // By commander's name of the flag, which is not always that of the setting: --alias is one of `aliases`.
  const keys = new Map<string, string>(
    flagsFor(command.name() as CommandName).map(({ syntax, key }) => [new Option(syntax).attributeName(), key]),
  );
  return Object.fromEntries(given.flatMap(([name, value]) => (keys.has(name) ? [[keys.get(name), value]] : []))) as FlagValues;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number above 0.");
  return value;
}

function example(typed: string): string {
  return `\nExample:\n  $ ${typed}`;
}
