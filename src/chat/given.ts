/** Variables that templates of every model may read, as llama.cpp names and fills them: GGUF files are tried out with it. Called by the renderer. */
import type { Variables } from "./jinja.ts";
import { strftime } from "./strftime.ts";

/** What a template is given though nobody has said it. `thinks`: its model can think, and does unless somebody says otherwise. */
export function givenVariables(thinks: boolean, now: Date): Variables {
  return {
    // Not false for the others: a template may turn off thoughts whose marks nobody here knows.
    ...(thinks && { enable_thinking: true }),
    date_string: strftime(now, "%d %b %Y"), // Llama 3
    datetime: strftime(now, "%b %d %Y"), // Firefunction
  };
}

/** llama-server's one name for the variables by which templates are told to print the thoughts of earlier turns. */
export function preserved({ preserve_reasoning: keeps }: Variables): Variables {
  if (typeof keeps !== "boolean") return {};
  return {
    preserve_thinking: keeps, // LFM2.5, Laguna
    keep_past_thinking: keeps, // LFM2.5
    clear_thinking: !keeps, // GLM 4.7
    truncate_history_thinking: !keeps, // Nemotron 3
    drop_thinking: !keeps, // DeepSeek V4
  };
}
