import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { limitSilence } from "./slow-bodies.ts";

const SILENCE_MS = 400;
const HEAD = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\n";

let server: Server;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.closeAllConnections();
  server.close();
});

/** Node's own limits on a request are far below what the clients here need. */
async function start(listener: RequestListener): Promise<void> {
  server = createServer({ requestTimeout: 600, headersTimeout: 500, connectionsCheckingInterval: 50 }, listener);
  limitSilence(server, SILENCE_MS);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** What the reading ended with. */
const failures: string[] = [];
const reads: RequestListener = (request, response) => {
  let length = 0;
  request.on("data", (piece: Buffer) => {
    length += piece.length;
  });
  request.on("end", () => response.end(`read ${length}`));
  request.on("error", (error) => failures.push(error.message));
};

/** What the server has said, and whether it hung up. */
function client() {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket);
  const said = { text: "", over: false };
  socket.setEncoding("utf8").on("data", (text) => {
    said.text += text;
  });
  socket.on("close", () => {
    said.over = true;
  });
  socket.on("error", () => undefined);
  return { socket, said };
}

test("a body that goes on is read to its end, however long it takes in all", async () => {
  await start(reads);
  const { socket, said } = client();
  socket.write(HEAD);
  for (let sent = 0; sent < 30; sent++) {
    await wait(SILENCE_MS / 8);
    socket.write("x");
  }
  await expect.poll(() => said.text, { timeout: 5000 }).toContain("read 30");
});

test("a body that stops ends with a 408 that says so, and whoever reads it is told the same", async () => {
  await start(reads);
  const { socket, said } = client();
  socket.write(`${HEAD}half`);
  await expect.poll(() => said.over, { timeout: 5000 }).toBe(true);
  const [head, body] = said.text.split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1.1 408 /);
  expect(JSON.parse(body!).error).toMatchObject({ code: "request_stalled", message: "No byte of the request's body came for 0.4 s" });
  expect(failures).toEqual(["No byte of the request's body came for 0.4 s"]);
});

test("a client that waits for its answer is not silent: its body is there", async () => {
  await start((request, response) => {
    request.resume();
    request.on("end", () => setTimeout(() => response.end("late"), SILENCE_MS * 4));
  });
  const { socket, said } = client();
  socket.write(`${HEAD}${"x".repeat(30)}`);
  await expect.poll(() => said.text, { timeout: 5000 }).toContain("late");
});

test("a server that is slow to read does not blame the client", async () => {
  const large = 4 * 1024 ** 2;
  await start(async (request, response) => {
    await wait(SILENCE_MS * 4);
    let length = 0;
    for await (const piece of request) length += piece.length;
    response.end(`read ${length}`);
  });
  const { socket, said } = client();
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${large}\r\n\r\n`);
  socket.write(Buffer.alloc(large));
  await expect.poll(() => said.text, { timeout: 5000 }).toContain(`read ${large}`);
});

test("what trickles in behind a finished answer keeps no connection", async () => {
  await start((_, response) => response.end("early"));
  const { socket, said } = client();
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n`);
  const trickle = setInterval(() => socket.write("x"), SILENCE_MS / 8);
  await expect.poll(() => said.over, { timeout: 5000 }).toBe(true);
  clearInterval(trickle);
  expect(said.text).toContain("early");
});

test("headers that trickle in are cut by Node's own limit", async () => {
  await start(reads);
  const { socket, said } = client();
  socket.write("POST / HTTP/1.1\r\n");
  const trickle = setInterval(() => socket.write("x: y\r\n"), SILENCE_MS / 8);
  await expect.poll(() => said.over, { timeout: 5000 }).toBe(true);
  clearInterval(trickle);
  expect(said.text).toMatch(/^HTTP\/1.1 408 /);
});

test("a body that stops behind another request waits for that one's answer, which nothing is written into", async () => {
  await start((request, response) => {
    if (request.method === "POST") return reads(request, response);
    response.write("first ");
    setTimeout(() => response.end("last"), SILENCE_MS * 5);
  });
  const { socket, said } = client();
  socket.write(`GET / HTTP/1.1\r\nhost: x\r\n\r\n${HEAD}half`);
  await expect.poll(() => said.over, { timeout: 5000 }).toBe(true);
  const [first, second] = said.text.split(/(?=HTTP\/1\.1)/);
  expect(first).toMatch(/first [\s\S]*last\r\n0\r\n\r\n$/);
  expect(second).toMatch(/^HTTP\/1\.1 408 /);
});
