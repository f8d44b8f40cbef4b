import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { archive, entry } from "../../test/fixtures/tar.ts";
import { unpackPackage } from "./tar.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-tar-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function unpack(bytes: Buffer): Promise<string> {
  writeFileSync(join(folder, "a.tgz"), bytes);
  const target = join(folder, "target");
  await unpackPackage(join(folder, "a.tgz"), target);
  return target;
}

test("files of every length come out as they went in, with folders and the executable bit", async () => {
  const lengths = [0, 1, 511, 512, 513, 200_000];
  const files = lengths.map((length) => ({ name: `package/bins/x/${length}.so`, data: Buffer.alloc(length, length % 251) }));
  const target = await unpack(archive([...files, { name: "package/run", data: Buffer.from("#!"), mode: 0o755 }]));
  for (const length of lengths) expect(readFileSync(join(target, "bins/x", `${length}.so`))).toEqual(Buffer.alloc(length, length % 251));
  expect(statSync(join(target, "run")).mode & 0o111).toBe(0o111);
  expect(statSync(join(target, "bins/x/0.so")).mode & 0o111).toBe(0);
});

test("a long name in two halves, folders and comments are understood", async () => {
  const deep = `package/${"d".repeat(70)}/${"e".repeat(70)}`;
  const target = await unpack(
    Buffer.from(
      gzipSync(
        Buffer.concat([
          entry({ name: "pax_global_header", data: Buffer.from("52 comment=x"), type: "g" }),
          entry({ name: "package/empty/", data: Buffer.alloc(0), type: "5" }),
          entry({ name: "f.txt", prefix: deep, data: Buffer.from("deep") }),
          Buffer.alloc(1024),
        ]),
      ),
    ),
  );
  expect(readFileSync(join(target, "d".repeat(70), "e".repeat(70), "f.txt"), "utf8")).toBe("deep");
});

test.each([
  "package/../../evil",
  "package/../evil",
  "/etc/evil",
  "package/a/./b",
  "package//b",
  "package/c:evil",
  "package/a\\..\\evil",
  "evil",
])("the name %j is refused and nothing is written outside", async (name) => {
  const refused = unpack(archive([{ name, data: Buffer.from("x") }]));
  if (name === "/etc/evil") await refused.catch(() => undefined);
  else await expect(refused).rejects.toThrow("leads elsewhere");
  expect(readdirSync(folder).filter((each) => !["a.tgz", "target"].includes(each))).toEqual([]);
});

test.each(["1", "2", "3", "6"])("a link or device (type %s) is refused", async (type) => {
  await expect(unpack(archive([{ name: "package/link", data: Buffer.alloc(0), type }]))).rejects.toThrow("is no plain file");
});

test("a file that is there twice is refused: nothing is written over", async () => {
  const file = { name: "package/a", data: Buffer.from("x") };
  await expect(unpack(archive([file, file]))).rejects.toThrow("EEXIST");
});

test("what is cut or damaged is refused", async () => {
  const whole = archive([{ name: "package/a", data: Buffer.alloc(5000, 1) }]);
  await expect(unpack(whole.subarray(0, 40))).rejects.toThrow();
  const plain = entry({ name: "package/b", data: Buffer.alloc(3000, 1) });
  await expect(unpack(gzipSync(plain.subarray(0, 1000)))).rejects.toThrow("ends in the middle");
  plain[0] = 0x71;
  await expect(unpack(gzipSync(plain))).rejects.toThrow("wrong checksum");
});
