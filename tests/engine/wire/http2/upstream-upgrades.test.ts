/** WebSockets to HTTP/2 upstreams that do not offer extended CONNECT: over HTTP/1.1 where the handshake selects it, or refused. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngineOver } from "../../../../src/engine/wire/listener.ts";
import { nodeSockets, wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import type { ConnectHandler, Sockets } from "../../../../src/engine/wire/sockets.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import { dataFrame, headersFrame, Http2Client } from "../../../support/http2-client.ts";
import {
  type Http2ReceivedRequest,
  Http2ServerConnection,
  type Http2ServerOptions,
} from "../../../support/http2-server.ts";
import { RawClient, sendRequest } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";
import { get } from "../fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "..", "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];
const secure = { protocol: "https", tls: { ca, serverName: "up.example", verify: true } } as const;

const handshake = get(
  "/chat",
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
);
const connect = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":authority", "a"],
  [":path", "/chat"],
  ["sec-websocket-version", "13"],
] as const;

const switching =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

interface Upstream {
  readonly port: number;
  readonly requests: readonly Http2ReceivedRequest[];
  /** Heads of HTTP/1.1 that arrived. */
  readonly heads: string[];
  /** Of TCP, by the order in which they were opened. */
  readonly opened: readonly Socket[];
  /** What the handshake selected on each connection that finished it. */
  readonly selected: readonly string[];
  close(): Promise<void>;
}

interface UpstreamOptions extends Http2ServerOptions {
  /** Over TLS by these; without them plain HTTP/2. */
  readonly protocols?: readonly string[];
  /** The response to a handshake over HTTP/1.1; after `switching` it sends back what it gets. */
  readonly response?: string;
  /** Called for a connection before its handshake. True: it is not served. */
  readonly takes?: (socket: Socket, number: number) => boolean;
}

/** A server of HTTP/2, of both versions where the handshake may select HTTP/1.1. */
async function startUpstream({
  protocols,
  response = switching,
  takes,
  ...options
}: UpstreamOptions): Promise<Upstream> {
  const [requests, heads, opened, selected]: [Http2ReceivedRequest[], string[], Socket[], string[]] = [
    [],
    [],
    [],
    [],
  ];
  const overHttp2 = (socket: Socket) =>
    new Http2ServerConnection(socket, {
      onRequest(request) {
        const { connection, streamId } = request;
        if (request.field(":method") === "GET") request.respond([[":status", "200"]], "a page");
        // The client's side of a tunnel has ended.
        else connection.send(dataFrame(streamId, "", true));
      },
      ...options,
      onHead(request) {
        requests.push(request);
        options.onHead?.(request);
      },
    });
  const overHttp1 = (socket: Socket) => {
    socket.on("error", () => {});
    let head = "";
    socket.on("data", (chunk: Buffer) => {
      if (head.endsWith("\r\n\r\n")) return void socket.write(chunk);
      head += chunk.toString("latin1");
      if (!head.endsWith("\r\n\r\n")) return;
      heads.push(head);
      socket.write(response);
      if (response !== switching) head = "";
    });
  };
  const tls = createTlsServer({ cert, key, ALPNProtocols: [...(protocols ?? [])] }, (socket: TLSSocket) => {
    selected.push(socket.alpnProtocol || "none");
    if (socket.alpnProtocol === "h2") overHttp2(socket);
    else overHttp1(socket);
  });
  tls.on("tlsClientError", () => {});
  const server = createServer((socket) => {
    opened.push(socket);
    socket.on("error", () => {});
    if (takes?.(socket, opened.length)) return;
    if (protocols) tls.emit("connection", socket);
    else overHttp2(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  return {
    port: typeof at === "object" && at ? at.port : 0,
    requests,
    heads,
    opened,
    selected,
    async close() {
      for (const socket of opened) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A client that opens a WebSocket at /chat. */
interface WebSocketClient {
  /** The status of the response, 101 for an open WebSocket whatever the version. */
  open(): Promise<number>;
  body(): string;
  send(bytes: string): void;
  destroy(): void;
}

async function http1Client(port: number): Promise<WebSocketClient> {
  const client = await RawClient.connect(port);
  const text = () => client.received.toString();
  return {
    async open() {
      client.send(handshake);
      await until(() => text().includes("\r\n\r\n"), "the response");
      return Number(text().split(" ")[1]);
    },
    body: () => text().slice(text().indexOf("\r\n\r\n") + 4),
    send: (bytes) => void client.send(bytes),
    destroy: () => client.destroy(),
  };
}

async function http2Client(port: number): Promise<WebSocketClient> {
  const client = await Http2Client.connect(port);
  return {
    async open() {
      client.headers(1, connect, false);
      await until(() => client.status(1) > 0, "the response");
      const status = client.status(1);
      return status === 200 ? 101 : status;
    },
    body: () => client.stream(1).body.toString(),
    send: (bytes) => void client.data(1, bytes),
    destroy: () => client.destroy(),
  };
}

interface Scene {
  readonly upstream: Upstream;
  readonly fixture: EngineFixture;
  readonly client: WebSocketClient;
}

interface Sides {
  readonly engine: Engine;
  readonly newClient: (port: number) => Promise<WebSocketClient>;
}

async function scene(
  { engine, newClient }: Sides,
  options: UpstreamOptions & {
    readonly engineOptions?: Partial<EngineFixtureOptions>;
    readonly failures?: number;
  },
  run: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { engineOptions, failures = 0, ...script } = options;
  const upstream = await startUpstream(script);
  const fixture = await startEngine(engine, {
    ports: [upstream.port],
    address: { http2: true, ...(script.protocols && secure) },
    listener: { http2: true },
    retries: 0,
    ejectsAfter: 1,
    ...engineOptions,
  });
  const client = await newClient(fixture.port);
  try {
    await run({ upstream, fixture, client });
    client.destroy();
    await until(() => fixture.listener.active() === 0, "no request to be left");
    expect(fixture.bugs).toEqual([]);
    expect(fixture.pool.upstreams.map(({ inFlight, tunnels }) => [inFlight, tunnels])).toEqual([[0, 0]]);
    // A client must not be able to eject a server with a handshake that the server does not serve.
    expect(fixture.ended.filter(({ outcome }) => outcome.kind === "failure")).toHaveLength(failures);
  } finally {
    client.destroy();
    fixture.close();
    await upstream.close();
  }
}

test("connects over HTTP/1.1 that hang are limited in number, and block no other request", async () => {
  const waiting: ConnectHandler[] = [];
  const hanging: Sockets = {
    ...nodeSockets,
    connect(address, host, handler, options) {
      if (options?.protocol === "http/1.1") waiting.push(handler);
      else nodeSockets.connect(address, host, handler, options);
    },
  };
  const upstream = await startUpstream({ protocols: ["h2"] });
  const fixture = await startEngine(wireEngineOver(hanging), {
    ports: [upstream.port],
    address: { http2: true, ...secure },
    timeouts: { connectMs: 1_000 },
    retries: 0,
  });
  const statuses = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => (await sendRequest(fixture.port, handshake)).status),
    );
  try {
    expect(await ordinary(fixture)).toBe("200 a page");
    expect(new Set(await statuses(12))).toEqual(new Set([504]));
    const connects = waiting.length;
    expect(await statuses(1)).toEqual([504]);
    expect(waiting.length).toBe(connects);
    // One on the idle connection, the others not.
    const pages = await Promise.all([ordinary(fixture), ordinary(fixture), ordinary(fixture)]);
    expect(new Set(pages)).toEqual(new Set(["200 a page"]));
    // The system is done with them.
    for (const handler of waiting) handler.refused("ETIMEDOUT");
    expect(await statuses(1)).toEqual([504]);
    expect(waiting.length).toBe(connects + 1);
    expect(fixture.bugs).toEqual([]);
    expect(upstream.selected).toEqual(["h2"]);
  } finally {
    fixture.close();
    await upstream.close();
  }
});

const ordinary = async (fixture: EngineFixture) => {
  const { status, body } = await sendRequest(fixture.port, get("/page"));
  return `${status} ${body.toString()}`;
};

describe.each([
  ["HTTP/1.1", "Bun's", { engine: wireEngine, newClient: http1Client }],
  ["HTTP/1.1", "node's", { engine: nodeEngine, newClient: http1Client }],
  ["HTTP/2", "Bun's", { engine: wireEngine, newClient: http2Client }],
  ["HTTP/2", "node's", { engine: nodeEngine, newClient: http2Client }],
] as const)(
  "a WebSocket of a client of %s, on %s sockets, to an upstream without extended CONNECT",
  (version, _, sides) => {
    test("is opened over HTTP/1.1 where the TLS handshake selects it, and other requests stay on HTTP/2", () =>
      scene(sides, { protocols: ["h2", "http/1.1"] }, async ({ upstream, fixture, client }) => {
        expect(await ordinary(fixture)).toBe("200 a page");
        expect(await client.open()).toBe(101);
        expect(upstream.heads[0]).toStartWith("GET /chat HTTP/1.1\r\n");
        expect(upstream.heads[0]?.toLowerCase()).toContain("\r\nupgrade: websocket\r\n");
        client.send("ping");
        await until(() => client.body() === "ping", "the bytes to come back");
        expect(fixture.pool.upstreams[0]?.tunnels).toBe(1);
        expect(await ordinary(fixture)).toBe("200 a page");
        expect(upstream.selected).toEqual(["h2", "http/1.1"]);
        expect(upstream.requests.map(({ fields }) => fields[0]?.[1])).toEqual(["GET", "GET"]);
        client.destroy();
        await until(() => upstream.opened[1]?.destroyed, "its connection to close");
      }));

    test("is opened so for the first request to an upstream too", () =>
      scene(sides, { protocols: ["h2", "http/1.1"] }, async ({ upstream, client }) => {
        expect(await client.open()).toBe(101);
        expect(upstream.selected).toEqual(["h2", "http/1.1"]);
      }));

    test("is refused as the upstream refuses it over HTTP/1.1, and its connection serves nothing else", () => {
      const response = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
      return scene(
        sides,
        { protocols: ["h2", "http/1.1"], response },
        async ({ upstream, fixture, client }) => {
          expect(await client.open()).toBe(403);
          await until(() => client.body() === "no", "the body");
          await until(() => upstream.opened[1]?.destroyed, "its connection to close");
          expect(await ordinary(fixture)).toBe("200 a page");
          expect(upstream.heads).toHaveLength(1);
          expect(upstream.selected).toEqual(["h2", "http/1.1"]);
        },
      );
    });

    test("closes the connection that it waited for when the client leaves", () => {
      const takes = (_socket: Socket, number: number) => number > 1;
      return scene(sides, { protocols: ["h2", "http/1.1"], takes }, async ({ upstream, fixture, client }) => {
        expect(await ordinary(fixture)).toBe("200 a page");
        void client.open().catch(() => {});
        await until(() => upstream.opened.length === 2, "the second connection");
        client.destroy();
        await until(() => fixture.listener.active() === 0, "the request to end");
      });
    });

    test("fails as any request where the second connection hangs", () => {
      const takes = (_socket: Socket, number: number) => number > 1;
      const engineOptions = { timeouts: { connectMs: 1_500 } };
      return scene(
        sides,
        { protocols: ["h2", "http/1.1"], takes, engineOptions, failures: 1 },
        async ({ fixture, client }) => {
          expect(await ordinary(fixture)).toBe("200 a page");
          expect(await client.open()).toBe(504);
          expect(fixture.ended.at(-1)?.outcome).toMatchObject({
            phase: "connect",
            reason: "connect_timeout",
          });
        },
      );
    });

    const withoutHttp1: ReadonlyArray<readonly [string, UpstreamOptions]> = [
      ["speaks HTTP/2 alone over TLS", { protocols: ["h2"] }],
      [
        "resets connections without HTTP/2",
        {
          protocols: ["h2", "http/1.1"],
          takes: (socket, number) => number > 1 && Boolean(socket.resetAndDestroy()),
        },
      ],
      ["speaks HTTP/2 without TLS", {}],
    ];

    test.each(withoutHttp1)(
      "is a plain GET where the upstream %s, whose success opens nothing",
      (_name, options) =>
        scene(sides, options, async ({ upstream, fixture, client }) => {
          expect(await ordinary(fixture)).toBe("200 a page");
          expect(await client.open()).toBe(version === "HTTP/1.1" ? 200 : 501);
          await until(() => client.body().includes("a page"), "the body");
          const request = upstream.requests[1];
          expect([request?.field(":method"), request?.field(":path"), request?.field("upgrade")]).toEqual([
            "GET",
            "/chat",
            undefined,
          ]);
          expect(upstream.heads).toEqual([]);
          expect(await ordinary(fixture)).toBe("200 a page");
        }),
    );

    test("is refused with the upstream's words where it speaks HTTP/2 alone", () => {
      const onRequest = (request: Http2ReceivedRequest) =>
        request.field(":path") === "/chat"
          ? request.respond([[":status", "426"]], "use HTTP/1.1")
          : request.respond([[":status", "200"]], "a page");
      return scene(sides, { protocols: ["h2"], onRequest }, async ({ client }) => {
        expect(await client.open()).toBe(426);
        await until(() => client.body().includes("use HTTP/1.1"), "the body");
      });
    });

    test("stays on HTTP/2 over TLS where the upstream offers extended CONNECT", () => {
      const onHead = ({ connection, streamId, field }: Http2ReceivedRequest) => {
        if (field(":protocol") === "websocket")
          connection.send(headersFrame(streamId, [[":status", "200"]], false));
      };
      return scene(
        sides,
        { protocols: ["h2", "http/1.1"], settings: [[8, 1]], onHead },
        async ({ upstream, client }) => {
          expect(await client.open()).toBe(101);
          expect([upstream.selected, upstream.heads]).toEqual([["h2"], []]);
        },
      );
    });
  },
);
