/**
 * Mistral's calls, in the three forms of mistral-common's tokenizers; a template prints one of them.
 *
 *     v3        [TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}, "id": "abcdef123"}]
 *     v11       [TOOL_CALLS]weather[CALL_ID]abcdef123[ARGS]{"city": "Paris"}
 *     v11, v13  [TOOL_CALLS]weather[ARGS]{"city": "Paris"}
 *
 * The marks are control tokens. Ids have nine letters and digits; those of the answer are ours, since v3 writes its own too late.
 */
import { choice, type Expression, optional, repeat, sequence, set, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallFormat, ReaderContext } from "../format.ts";
import { jsonCallGrammar, severalCalls } from "../json-calls.ts";
import { jsonCall, ScriptReader } from "../script.ts";

const CALLS = "[TOOL_CALLS]";
const ID = "[CALL_ID]";
const ARGUMENTS = "[ARGS]";
const NAMES = { name: "name", arguments: "arguments" };

const idText = repeat(
  set([
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a],
  ]),
  9,
  9,
);
const COMMA = sequence(text(","), optional(text(" ")));

/** Mistral's templates take no others. */
function withShortIds(context: ReaderContext): ReaderContext {
  return { ...context, newId: () => context.newId().slice(-9) };
}

const listed: CallFormat = {
  triggers: () => [{ text: CALLS }],
  behind(grammar, tools, parallel): Expression {
    const id = optional(sequence(text(', "id": "'), idText, text('"')));
    const call = jsonCallGrammar(grammar, tools, NAMES, id);
    return sequence(optional(text(" ")), text("["), severalCalls(grammar, call, COMMA, parallel), text("]"));
  },
  whole(grammar, tools, parallel): Expression {
    return sequence(text(CALLS), this.behind(grammar, tools, parallel));
  },
  reader: (_, context) =>
    new ScriptReader(function* (scanner) {
      yield* scanner.space();
      if (!(yield* scanner.accept("["))) return false;
      if (!(yield* jsonCall(scanner, NAMES, withShortIds(context)))) return false;
      for (;;) {
        yield* scanner.space();
        if (!(yield* scanner.accept(","))) break;
        if (!(yield* jsonCall(scanner, NAMES, withShortIds(context)))) return true;
      }
      yield* scanner.accept("]");
      return true;
    }),
};

/** `withId`: the call has a mark and an id between name and arguments. */
function named(withId: boolean): CallFormat {
  return {
    triggers: () => [{ text: CALLS }],
    behind: (grammar, tools) =>
      choice(
        ...tools.map((tool) => {
          const id = withId ? [text(ID), idText] : [];
          return sequence(text(tool.function.name), ...id, text(ARGUMENTS), grammar.arguments(tool));
        }),
      ),
    whole(grammar, tools, parallel): Expression {
      return severalCalls(grammar, sequence(text(CALLS), this.behind(grammar, tools, false)), text(""), parallel);
    },
    reader: (_, context) => {
      const { tools, newId } = withShortIds(context);
      // A name may begin with another one.
      const names = tools.map((tool) => tool.function.name).sort((a, b) => b.length - a.length);
      return new ScriptReader(function* (scanner) {
        for (const name of names) {
          if (!(yield* scanner.accept(name))) continue;
          if (yield* scanner.accept(ID)) yield* scanner.until(ARGUMENTS);
          else if (!(yield* scanner.accept(ARGUMENTS))) return false;
          if ((yield* scanner.peek()) !== "{") return false;
          scanner.tell({ kind: "call", name, id: newId() });
          if (yield* scanner.arguments()) scanner.tell({ kind: "end" });
          return true;
        }
        return false;
      });
    },
  };
}

export const mistralListed: AnswerFormat = {
  name: "mistral-v3",
  fits: (template) => template.includes(CALLS) && !template.includes(ARGUMENTS),
  markers: [CALLS],
  calls: listed,
};

export const mistralWithIds: AnswerFormat = {
  name: "mistral-v11-ids",
  fits: (template) => template.includes(CALLS) && template.includes(ARGUMENTS) && template.includes(ID),
  markers: [CALLS, ID, ARGUMENTS],
  calls: named(true),
};

export const mistralNamed: AnswerFormat = {
  name: "mistral-v13",
  fits: (template) => template.includes(CALLS) && template.includes(ARGUMENTS) && !template.includes(ID),
  markers: [CALLS, ID, ARGUMENTS],
  calls: named(false),
};
