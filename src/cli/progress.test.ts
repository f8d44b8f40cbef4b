/** What a person sees of a pull, on a terminal and in a log. */
import { expect, test } from "vitest";
import { createDisplay } from "./progress.ts";

function shown(isTTY: boolean, columns = 120) {
  let text = "";
  let now = 0;
  const display = createDisplay({ isTTY, columns, write: (piece) => (text += piece) }, () => now);
  return { display, text: () => text, at: (ms: number) => (now = ms) };
}
const status = "downloading a.gguf";

test("a terminal: one line that is drawn anew, with rate and time left of the last seconds", () => {
  const { display, text, at } = shown(true);
  display.show({ status: "looking up a/b" });
  display.show({ status, total: 4e9, completed: 1e9 }); // fetched by an earlier attempt
  at(2000);
  display.show({ status, total: 4e9, completed: 1.1e9 });
  const bar = `\r\u001b[K[#####...............]  27% 1.10/4.00 GB, 50.0 MB/s, 58s left  ${status}`;
  expect(text()).toBe(`looking up a/b\n\r\u001b[K[#####...............]  25% 1.00/4.00 GB  ${status}${bar}`);
  at(60_000);
  display.show({ status, total: 4e9, completed: 4e9 });
  expect(text().endsWith("\n")).toBe(true);
});

test("it never wraps: a narrow terminal cuts the line", () => {
  const { display, text } = shown(true, 40);
  display.show({ status, total: 4e6, completed: 1e6 });
  expect(text().replace("\r\u001b[K", "")).toHaveLength(39);
});

test("no terminal: a line at each tenth, and one in half a minute when it is slow", () => {
  const { display, text, at } = shown(false);
  for (let step = 0; step <= 1000; step++) {
    at(step * 10);
    display.show({ status, total: 1e6, completed: step * 1000 });
  }
  expect(text().trimEnd().split("\n")).toHaveLength(11);
  expect(text()).toContain(`${status}: 100% 1.0/1.0 MB, 0.1 MB/s\n`);
  display.show({ status, total: 1e12, completed: 1 });
  at(45_000);
  display.show({ status, total: 1e12, completed: 2 });
  expect(text().trimEnd().split("\n")).toHaveLength(13);
});

test("no terminal: who waits for another says so once", () => {
  const { display, text } = shown(false);
  for (let i = 0; i < 20; i++) display.show({ status: "waiting for process 7" });
  expect(text()).toBe("waiting for process 7\n");
});
