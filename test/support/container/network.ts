/** A network namespace of a container, joined to the machine by a pair of links, and its published port. Called by container.ts. */
import { execFileSync } from "node:child_process";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

let counter = 0;

export class Network {
  /** As the container sees the machine. */
  readonly gateway: string;
  readonly #address: string;
  readonly #id: string;
  readonly #doors: Server[] = [];
  #published: number | undefined;

  constructor(id: string) {
    this.#id = id;
    const subnet = `10.213.${process.pid % 250}`;
    const first = (counter++ % 60) * 4;
    this.gateway = `${subnet}.${first + 1}`;
    this.#address = `${subnet}.${first + 2}`;
    ip(`netns add ${id}`);
    ip(`link add ${id} type veth peer name eth0 netns ${id}`);
    ip(`addr add ${this.gateway}/30 dev ${id}`);
    ip(`link set ${id} up`);
    for (const line of [
      "link set lo up",
      `addr add ${this.#address}/30 dev eth0`,
      "link set eth0 up",
      `route add default via ${this.gateway}`,
    ]) {
      ip(`-n ${id} ${line}`);
    }
  }

  /** What docker-proxy does, on a free port of 127.0.0.1: nothing reaches a server that listens on the container's loopback only. */
  async publish(port: number): Promise<void> {
    this.#published = await this.#door("127.0.0.1", 0, { host: this.#address, port });
  }

  /** A port of this machine's loopback answers in the container too, at the gateway. */
  async reach(port: number): Promise<void> {
    await this.#door(this.gateway, port, { host: "127.0.0.1", port });
  }

  async #door(host: string, port: number, to: { host: string; port: number }): Promise<number> {
    const door = createServer((client) => {
      const server = connect(to);
      client.pipe(server).pipe(client);
      tie(client, server);
      tie(server, client);
    });
    this.#doors.push(door);
    await new Promise<void>((resolve) => door.listen(port, host, resolve));
    return (door.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#published}`;
  }

  remove(): void {
    for (const door of this.#doors) door.close();
    ip(`netns del ${this.#id}`);
  }
}

function tie(one: Socket, other: Socket): void {
  one.on("error", () => other.destroy()).on("close", () => other.destroy());
}

function ip(line: string): void {
  execFileSync("ip", line.split(" "), { stdio: "pipe" });
}
