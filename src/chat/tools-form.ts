/**
 * The ways in which templates are given the tools, and which of them one template prints, found by rendering. Called by the renderer, once
 * a model. Where none prints them, answer/describe-tools.ts tells the model.
 */
import type { Variables } from "./jinja.ts";
import type { TemplateMessage } from "./messages.ts";
import { NEEDLE } from "./traits.ts";

export interface ToolsForm {
  /** How the template reads them; a word of its text. */
  readonly word: string;
  variables(tools: readonly unknown[]): Variables;
  /** The messages that carry them; absent: none does. */
  messages?(messages: readonly TemplateMessage[], tools: readonly unknown[]): readonly TemplateMessage[];
}

/** What Phi's model card writes where nobody has said anything else. */
const PHI_SYSTEM = "You are a helpful assistant with some tools.";

const FORMS: readonly ToolsForm[] = [
  { word: "tools", variables: (tools) => ({ tools }) },
  { word: "xml_tools", variables: (tools) => ({ xml_tools: tools }) }, // SmolLM3, its first template
  { word: "functions", variables: (tools) => ({ functions: JSON.stringify(functionsOf(tools), null, 4) }) }, // Firefunction v2, in the shape of v1's model card
  { word: "tools", variables: () => ({}), messages: inSystemMessage }, // Phi-4-mini
];

/**
 * The first form that the template prints. One that only stumbles over the definition of this probe counts as one that prints it.
 * @param printed what it prints for one question in this form; throws where it refuses
 */
export function toolsForm(source: string, printed: (form: ToolsForm, tools: readonly unknown[]) => string): ToolsForm | undefined {
  const parameters = { type: "object", properties: { value: { type: "string", description: "a" } }, required: ["value"] };
  const tools = [{ type: "function", function: { name: NEEDLE, description: "a", parameters } }];
  let stumbles: ToolsForm | undefined;
  for (const form of FORMS.filter(({ word }) => source.includes(word))) {
    try {
      if (printed(form, tools).includes(NEEDLE)) return form;
    } catch {
      stumbles ??= form;
    }
  }
  return stumbles;
}

function functionsOf(tools: readonly unknown[]): unknown[] {
  return tools.map((tool) => (tool as { readonly function?: unknown }).function);
}

function inSystemMessage(messages: readonly TemplateMessage[], tools: readonly unknown[]): readonly TemplateMessage[] {
  const text = JSON.stringify(functionsOf(tools));
  const [first, ...rest] = messages;
  if (first?.role === "system") return [{ ...first, tools: text }, ...rest];
  return [{ role: "system", content: PHI_SYSTEM, tools: text }, ...messages];
}
