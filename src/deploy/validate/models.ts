/** Before deployment: are there models, can their files be used, does the memory hold them. Called by checks.ts. */
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { counted, gigabytes } from "../figures.ts";
import { asked } from "./silence.ts";
import { type Model, type ModelFacts, modelNamed, type Subject, type Wanted } from "./subject.ts";

export function modelChecks(group: string, subject: Subject, wanted: Wanted | undefined): Check[] {
  const check = (name: string, judge: (facts: ModelFacts) => Finding): Check => ({
    group,
    name,
    run: () => asked(subject, async () => judge(await subject.models())),
  });
  return [
    check("models available", (facts) => judgeModels(facts, wanted)),
    check("model files", judgeFiles),
    check("memory for models", judgeMemory),
  ];
}

export function judgeModels({ models, folders }: ModelFacts, wanted: Wanted | undefined): Finding {
  const limit = "≥ 1, and none of the configured folders empty";
  const missing = folders.find(({ exists }) => !exists);
  if (missing)
    return fail(`the folder ${missing.name} does not exist`, "Make it and put GGUF files into it, or correct --model-dirs.", {
      limit,
      value: models.length,
      command: "shimmy discover",
    });
  const locked = folders.find(({ readable }) => !readable);
  if (locked)
    return fail(`the folder ${locked.name} cannot be read by this user`, "Give this user the right to read it.", {
      limit,
      value: models.length,
      command: "shimmy doctor",
    });
  const empty = folders.find((folder) => folder.models === 0);
  if (empty)
    return fail(`the folder ${empty.name} holds no model`, "Put GGUF files into it, or correct --model-dirs.", {
      limit,
      value: models.length,
      command: "shimmy pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0",
    });
  if (models.length === 0)
    return fail("no model was found", "Put GGUF files into ./models, name their folder with --model-dirs, or pull one.", {
      limit,
      value: 0,
      command: "shimmy pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0",
    });
  if (wanted !== undefined && !modelNamed(models, wanted))
    return fail(`the model ${wanted[0]} is not among the ${models.length} found`, "Name one that is listed.", {
      limit,
      command: "shimmy list",
    });
  return pass(`${counted(models.length, "model")}: ${firstOf(models)}`, { limit, value: models.length });
}

export function judgeFiles({ unusable }: ModelFacts): Finding {
  const limit = "no broken file";
  const broken = unusable.filter(({ certain }) => certain);
  const told = (files: ModelFacts["unusable"]) =>
    files
      .slice(0, 3)
      .map(({ file, reason }) => `${file}: ${reason}`)
      .join("; ");
  if (broken.length > 0)
    return fail(`${counted(broken.length, "broken file")}: ${told(broken)}`, "Get the file again, or remove it.", {
      limit,
      value: broken.length,
      command: "shimmy verify",
    });
  if (unusable.length === 0) return pass("none is broken", { limit, value: 0 });
  return warn(`${counted(unusable.length, "file")} not served: ${told(unusable)}`, "See whether one of them should be served.", {
    limit,
    command: "shimmy discover",
  });
}

export function judgeMemory({ models, budgetBytes }: ModelFacts): Finding {
  const sized = models.flatMap(({ id, neededBytes }) => (neededBytes === undefined ? [] : [{ id, neededBytes }]));
  const [largest, ...rest] = sized.sort((a, b) => b.neededBytes - a.neededBytes);
  if (budgetBytes === undefined || !largest) return unmeasured(models.length === 0 ? "there are no models" : "the server does not tell");
  const more = { value: largest.neededBytes, limit: `≤ ${gigabytes(budgetBytes)} (--memory-budget)` };
  const measured = `the largest, ${largest.id}, needs ${gigabytes(largest.neededBytes)}`;
  if (largest.neededBytes <= budgetBytes) return pass(measured, more);
  const advice = "Raise --memory-budget or the memory of the machine or container, lower --ctx, or take a smaller quantisation.";
  return rest.some(({ neededBytes }) => neededBytes <= budgetBytes)
    ? warn(`${measured}: too much; smaller ones fit`, advice, more)
    : fail(`the memory is too small: ${measured}`, advice, { ...more, command: "shimmy list" });
}

function firstOf(models: readonly Model[]): string {
  const names = models.slice(0, 3).map(({ id }) => id);
  return models.length > names.length ? `${names.join(", ")} …` : names.join(", ");
}
