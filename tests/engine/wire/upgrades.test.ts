import { describe, expect, test } from "bun:test";

import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";
import { clientSockets } from "./client-sockets.ts";
import { get, post, wireScene } from "./fixture.ts";

const upgrade = "Connection: Upgrade\r\nUpgrade: echo\r\n";
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

describe("an upgrade", () => {
  test("of a request with an empty or a whole body passes, as the clients of container engines send", () =>
    wireScene(
      ({ header: field, body }, socket) => {
        if (field("upgrade") !== "echo") return void socket.write(respondWith("no upgrade arrived"));
        socket.write(switching + body.toString());
        socket.on("data", (chunk: Buffer) => socket.write(chunk));
      },
      async ({ client }) => {
        const chunks = `POST / HTTP/1.1\r\nHost: a\r\n${upgrade}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
        for (const [request, body] of [
          [post("", upgrade), ""],
          [post("hello", upgrade), "hello"],
          [chunks, "hello"],
        ] as const) {
          // prettier-ignore
          const one = await client();
          one.send(request);
          expect((await one.readResponse()).status).toBe(101);
          one.send(" to you");
          await until(() => one.received.toString() === `${body} to you`, "the echo");
          one.destroy();
        }
      },
    ));

  test("is rejected while the body still arrives: only one side would read the rest as the new protocol", () =>
    wireScene(
      { respond: () => {}, onHead: (_, socket) => (socket.write(switching), true) },
      async ({ client, stage }) => {
        const one = await client();
        one.send(`POST / HTTP/1.1\r\nHost: a\r\n${upgrade}Content-Length: 10\r\n\r\nhello`);
        expect((await one.readResponse()).status).toBe(502);
        expect(stage.ended[0]?.outcome).toMatchObject({ reason: "answer_refused" });
      },
    ));
});

test("a client that reads slowly from a tunnel has the tunnel's idle timeout, not that of a body", async () => {
  let feed = (_bytes: number) => {};
  const hesitant = clientSockets((socket, handler) => {
    const write = socket.write.bind(socket);
    let room = switching.length;
    socket.write = (bytes, offset, length) => {
      const taken = write(bytes, offset, Math.min(length, room));
      room -= Math.max(0, taken);
      return taken;
    };
    feed = (bytes) => {
      room += bytes;
      handler.drained();
    };
    return socket;
  });
  const origin = await startOrigin({
    respond: () => {},
    onHead: (_, socket) => (socket.write(switching), socket.write("x".repeat(1_000)), true),
  });
  const engine = wireEngineOver(hesitant);
  const set = await startEngine(engine, { ports: [origin.port], clientTimeouts: { bodyIdleMs: 100 }, timeouts: { tunnelIdleMs: 900 } }); // prettier-ignore
  try {
    const client = await RawClient.connect(set.port);
    client.send(get("/", upgrade));
    expect((await client.readResponse()).status).toBe(101);
    const began = performance.now();
    for (let bites = 1; bites <= 4; bites++) {
      const since = performance.now();
      await until(() => client.isClosed || performance.now() - since > 400, "a pause");
      feed(10);
      await until(() => client.isClosed || client.received.length === bites * 10, "the bytes");
    }
    expect([client.isClosed, set.ended]).toEqual([false, []]);
    await until(() => client.isClosed, "the idle tunnel to end");
    expect(performance.now() - began).toBeGreaterThan(4 * 400 + 900);
    expect(set.ended[0]?.outcome.kind).toBe("response");
  } finally {
    set.close();
    await origin.close();
  }
}, 10_000);
