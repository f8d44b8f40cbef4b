/**
 * The smallest server of node:http that answers: what base memory is measured against. A program of its own (scripts/build.mjs), started by
 * own-server.ts. A module as ours is one, for a script takes 0.3 MB less; and a file of the package, for the disk may be full.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((_, response) => response.end('{"status":"ok"}'));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
});
