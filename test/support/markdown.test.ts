/** The reader of documents itself: a line that it overlooks would be one that nobody runs. */
import { expect, test } from "vitest";
import { anchors, commandLines, fences, inlineCode, links } from "./markdown.ts";

const texts = (placed: readonly { readonly text: string }[]) => placed.map(({ text }) => text);

test("finds fenced blocks with language, line and text, indented ones too, and takes nothing within them for more", () => {
  const document = ["# A", "```bash", "one", "```", "1. x", "   ```SH title", "   two", "     three", "   ```", "~~~", "```", "~~~"].join(
    "\n",
  );
  expect(fences(document)).toEqual([
    { language: "bash", line: 3, text: "one" },
    { language: "sh", line: 7, text: "two\n  three" },
    { language: "", line: 11, text: "```" },
  ]);
  expect(() => fences("```sh\nls")).toThrow("does not end");
});

test("finds code in running text, over line ends and between two backticks, not in blocks and comments", () => {
  expect(inlineCode("a `b c` ``d`e`` `f\ng`\n<!-- `h` -->\n```\n`i`\n```\n")).toEqual([
    { line: 1, text: "b c" },
    { line: 1, text: "d`e" },
    { line: 1, text: "f g" },
  ]);
  expect(texts(inlineCode("an odd ` here\n\nand `b` there"))).toEqual(["b"]);
});

test("joins what belongs to one command, and leaves out comments", () => {
  const block = ["# first", "a b   # why", "c \\", "  d", "echo '{", '  "x": "# no comment"', "}' |", "  e", "f && # then", "g", "h#i", ""];
  expect(commandLines(block.join("\n"))).toEqual([
    { line: 2, text: "a b" },
    { line: 3, text: "c \\\n  d" },
    { line: 5, text: 'echo \'{\n  "x": "# no comment"\n}\' |\n  e' },
    { line: 9, text: "f &&\ng" },
    { line: 11, text: "h#i" },
  ]);
  expect(texts(commandLines("cat > x <<'EOF'\na # b\nEOF\nls"))).toEqual(["cat > x <<'EOF'\na # b\nEOF", "ls"]);
  expect(texts(commandLines("echo it\\'s # one\necho \"it's\" # two"))).toEqual(["echo it\\'s", 'echo "it\'s"']);
  expect(() => commandLines("echo 'a")).toThrow("ends within a command");
});

test("finds links, but none in code, and headings as GitHub names them", () => {
  expect(texts(links("[a](b.md#c) and [d](https://e) `[f](g)`"))).toEqual(["b.md#c", "https://e"]);
  expect([...anchors("# The `x` of Y, now\n## A\n### A\n```\n# no\n```")]).toEqual(["the-x-of-y-now", "a", "a-1"]);
});
