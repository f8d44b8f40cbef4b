/**
 * The floor of `bench:gateway`: the least that a process between clients and instances can do. Started by contestants.ts as
 * `node bare-proxy.mjs tcp|http PORT…`, prints its own port. It balances by turn and knows nothing of what it carries.
 * tcp: bytes of a connection to one instance. http: each request to the next instance, its answer piped as it comes.
 */
import { Agent, createServer as createHttp, request } from "node:http";
import { connect, createServer as createTcp } from "node:net";

const [kind, ...ports] = process.argv.slice(2);
let turn = 0;
const next = () => Number(ports[turn++ % ports.length]);

const agent = new Agent({ keepAlive: true });
const server =
  kind === "tcp"
    ? createTcp({ noDelay: true }, (client) => {
        const instance = connect({ port: next(), host: "127.0.0.1", noDelay: true });
        for (const socket of [client, instance]) socket.on("error", () => client.destroy() && instance.destroy());
        client.pipe(instance).pipe(client);
      })
    : createHttp((asked, answer) => {
        const { method, url, headers } = asked;
        const onward = request({ agent, host: "127.0.0.1", port: next(), method, path: url, headers }, (told) => {
          answer.writeHead(told.statusCode, told.headers);
          told.pipe(answer);
        });
        onward.on("error", () => answer.destroy());
        asked.pipe(onward);
      });
server.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`));
