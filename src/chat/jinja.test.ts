/** The engine as templates see it: globals, what was added to @huggingface/jinja, and the line of a failure. */
import { describe, expect, test } from "vitest";
import { JinjaTemplate, TemplateRefusal } from "./jinja.ts";
import { failingLine } from "./line.ts";

const render = (source: string, variables = {}, now?: Date) => new JinjaTemplate(source).render(variables, now);

describe("jinja", () => {
  test.each([
    ["{{ '\\n a \\n'.strip('\\n') }}", " a "],
    ["{{ '--a-'.lstrip('-') }}|{{ 'a--'.rstrip('-') }}|{{ ' b '.strip() }}", "a-|a|b"],
    ["{{ '<{}|{}>'.format('a', 'b') }}", "<a|b>"],
    ["{% set q = [1] %}{% set _ = q.append(2) %}{{ q.pop(0) }}{{ q.pop() }}{{ q | length }}", "120"],
    ["{% for a, b in [('x', 'y')] %}{{ a }}{{ b }}{% endfor %}{{ ('p', 1) | tojson }}", 'xy["p", 1]'],
    ["{{ [3, 1, 2] | min }}{{ [3, 1, 2] | max }}", "13"],
    ["{{ missing ~ 'a' ~ 1 }}", "a1"],
    ["[{{ missing | trim }}]{{ missing | length }}{% for x in missing %}never{% endfor %}", "[]0"],
    ["{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "02"],
    ["{% generation %}a{% endgeneration %}", "a"],
    ["{% set ns = namespace(n=1) %}{% for i in range(2) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "2"],
    ["{{ {'b': 1, 'a': [true, none]} | tojson }}", '{"b": 1, "a": [true, null]}'],
  ])("%s → %s", (source, text) => {
    expect(render(source)).toBe(text);
  });

  test("strftime_now speaks English whatever the locale", () => {
    const date = new Date(2026, 2, 5, 15, 4);
    expect(render("{{ strftime_now('%d %b %Y, %A %-d %B %I:%M %p %H %% %q') }}", {}, date)).toBe(
      "05 Mar 2026, Thursday 5 March 03:04 PM 15 % %q",
    );
  });

  test("raise_exception is a refusal, other failures are not", () => {
    expect(() => render("{{ raise_exception('no') }}")).toThrow(TemplateRefusal);
    expect(() => render("{{ 1 | nonsense }}")).not.toThrow(TemplateRefusal);
    expect(() => render("{{ 1 | nonsense }}")).toThrow(/filter: nonsense/);
  });

  test.each([
    ["a\n{# {{ x }}\n #}\n{% if true %}\n{{ '}} %}' }}\n  {{- raise_exception('no') }}\n{% endif %}\nb", 6],
    ["{% macro f() %}\n{{ raise_exception('no') }}\n{% endmacro %}\n\n{{ f() }}", 2],
    ["{% set x = {'a': {'b': 1}} %}\n{{ x | nonsense }}", 2],
    ["fine", "unknown"],
  ])("failing line of %j is %s", (source, line) => {
    expect(failingLine(source, {})).toBe(line);
  });
});
