/** A scripted Docker daemon: lists containers and streams events in the shapes of the Engine API, over a unix socket or TCP. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { rmSync } from "node:fs";

export interface FakeContainer {
  readonly Id: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** Also any other field of the element. */
interface ContainerChange extends Readonly<Record<string, unknown>> {
  readonly labels?: Readonly<Record<string, string>>;
  /** Address in each network, or the settings of the network. */
  readonly networks?: Readonly<Record<string, string | object>>;
}

/** An element of `GET /containers/json` as Docker 28 sends it, with the label app=web and port 8080 exposed. */
export function container(name: string, ip: string, change: ContainerChange = {}): FakeContainer {
  const { labels = {}, networks = { shop_default: ip }, ...rest } = change;
  return {
    Id: Buffer.from(name).toString("hex").padEnd(64, "0"),
    Names: [`/${name}`],
    Image: "shop-web",
    ImageID: `sha256:${"ab".repeat(32)}`,
    Command: "node server.js",
    Created: 1_739_811_096,
    Ports: [{ PrivatePort: 8080, Type: "tcp" }],
    State: "running",
    Status: "Up 5 minutes",
    HostConfig: { NetworkMode: Object.keys(networks)[0] ?? "none" },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(networks).map(([network, settings]) => [
          network,
          typeof settings === "string" ? networkOf(settings) : networkOf("", settings),
        ]),
      ),
    },
    Mounts: [],
    ...rest,
    Labels: { app: "web", ...labels },
  } as FakeContainer;
}

function networkOf(ip: string, change: object = {}): object {
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: "02:42:ac:12:00:02",
    NetworkID: "cd".repeat(32),
    EndpointID: "ef".repeat(32),
    Gateway: "172.18.0.1",
    IPAddress: ip,
    IPPrefixLen: 16,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
    ...change,
  };
}

type Respond = (request: IncomingMessage, response: ServerResponse) => boolean;

export class FakeDockerDaemon implements AsyncDisposable {
  containers: readonly FakeContainer[] = [];
  /** Handles a request in place of the daemon, if it returns true. */
  respond: Respond = () => false;
  /** Paths of all requests, decoded. */
  readonly requests: string[] = [];
  readonly #streams = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  readonly #at: string | number;
  #server: Server | undefined;

  /** @param at path of the unix socket, or a port of 127.0.0.1 */
  constructor(at: string | number) {
    this.#at = at;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => this.#handle(request, response));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    if (typeof this.#at === "string") server.listen(this.#at);
    else server.listen(this.#at, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    return this;
  }

  get port(): number {
    const address = this.#server?.address() as AddressInfo | undefined;
    return address?.port ?? 0;
  }

  /** Open streams of events. */
  get streams(): number {
    return this.#streams.size;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  listsAsked(): number {
    return this.requests.filter((path) => path.startsWith("/containers/json")).length;
  }

  /** As the daemon dies: connections break off, and no socket listens any more. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, "close");
    server.close();
    // A connection may be accepted a moment later.
    const cutting = setInterval(() => this.cut(), 10);
    this.cut();
    await closed;
    clearInterval(cutting);
    if (typeof this.#at === "string") rmSync(this.#at, { force: true });
  }

  /** Sends an event about a container to all streams. */
  emit(
    action: string,
    { Id, Labels }: FakeContainer,
    attributes: Readonly<Record<string, string>> = {},
  ): void {
    const event = {
      status: action,
      id: Id,
      from: "shop-web",
      Type: "container",
      Action: action,
      Actor: { ID: Id, Attributes: { image: "shop-web", ...Labels, ...attributes } },
      scope: "local",
      time: 1_739_811_100,
      timeNano: 1_739_811_100_000_000_000,
    };
    this.write(`${JSON.stringify(event)}\n`);
  }

  /** Sends text to all streams of events. */
  write(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  /** Breaks all connections off. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? "");
    this.requests.push(path);
    if (this.respond(request, response)) return;
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Api-Version", "1.51");
    if (path.startsWith("/containers/json")) return void response.end(JSON.stringify(this.containers));
    if (!path.startsWith("/events")) {
      response.statusCode = 404;
      return void response.end(JSON.stringify({ message: "page not found" }));
    }
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
    response.flushHeaders();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
  }
}
