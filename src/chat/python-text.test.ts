import { expect, test } from "vitest";
import { JinjaTemplate } from "./jinja.ts";

const print = (source: string, variables: Record<string, unknown> = {}) => new JinjaTemplate(source).render(variables);

test("objects, lists and truth values are printed as Python prints them", () => {
  const tool = { name: "f", strict: true, parameters: { a: [1, 2.5, null], "it's": 'say "x"' } };
  expect(print("{{ tool }}", { tool })).toBe(`{'name': 'f', 'strict': True, 'parameters': {'a': [1, 2.5, None], "it's": 'say "x"'}}`);
  expect(print("{{ x }}|{{ [x] }}|{{ list | string }}", { x: false, list: ["a\nb", "'\""] })).toBe(`False|[False]|['a\\nb', '\\'"']`);
  expect(print("{{ tool | tojson }}", { tool: { a: true } })).toBe('{"a": true}');
});

test("none and undefined print nothing", () => {
  expect(print("[{{ none }}{{ missing }}]")).toBe("[]");
});

test("a text joined with an undefined value is that text", () => {
  expect(print("{{ 'a' + missing }}{{ missing ~ 'b' }}")).toBe("ab");
});

test("a dictionary with numbers for keys is read and sorted by number", () => {
  expect(
    print("{% set d = {512: 'b', 16384: 'c', 0: 'a'} %}{{ d[512] }}{% for k, v in d | dictsort %}{{ k + 1 }}{{ v }}{% endfor %}"),
  ).toBe("b1a513b16385c");
});
