/** The last write on a connection: response and FIN leave together, and nothing is lost where the system takes less. */

import { describe, expect, test } from "bun:test";

import { bunSockets } from "../../../src/engine/wire/bun.ts";
import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import type { Sockets } from "../../../src/engine/wire/sockets.ts";
import { engineScene } from "../../support/engine-scene.ts";
import { type OriginOptions, respondWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";

type SendLast = NonNullable<Sockets["sendLast"]>;

/** @param change what the system's last write does in place of taking all */
async function setUp(
  respond: OriginOptions["respond"],
  change: (send: SendLast) => SendLast = (send) => send,
) {
  const sockets = bunSockets();
  if (!sockets.sendLast) throw new Error("Cannot test the last write: this system has none");
  const send = change(sockets.sendLast);
  const lastWrites: number[] = [];
  const sendLast: SendLast = (fd, bytes, offset, length) => {
    lastWrites.push(length);
    return send(fd, bytes, offset, length);
  };
  const scene = await engineScene(wireEngineOver({ ...sockets, sendLast }), respond);
  return { ...scene, lastWrites };
}

const closing = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const keeping = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const body = "0123456789".repeat(20_000);
const small: OriginOptions["respond"] = (_, socket) => void socket.write(respondWith("ok"));
const large: OriginOptions["respond"] = (_, socket) => void socket.write(respondWith(body));

/** What the system may do with the last write. */
const partialWrites: Readonly<Record<string, (send: SendLast) => SendLast>> = {
  "takes all": (send) => send,
  "takes none": () => () => -1,
  "takes one byte": (send) => (fd, bytes, offset) => send(fd, bytes, offset, 1),
  "takes a half": (send) => (fd, bytes, offset, length) => send(fd, bytes, offset, length >> 1),
};

describe("the last write on a connection", () => {
  test("is the whole response, on a connection that closes after it", async () => {
    await using setup = await setUp(small);
    const client = await setup.client();
    expect((await client.send(keeping).readResponse()).body.toString()).toBe("ok");
    expect(setup.lastWrites).toEqual([]);
    const response = await client.send(closing).readResponse();
    expect([response.status, response.body.toString()]).toEqual([200, "ok"]);
    await until(() => client.isClosed, "the connection to close");
    expect(client.isReset).toBe(false);
    expect(setup.lastWrites).toHaveLength(1);
    await until(() => setup.fixture.records.length === 2);
    expect(setup.fixture.records[1]?.bytesOut).toBe(setup.lastWrites[0] as number);
  });

  test("closes the connection of an HTTP/1.0 client, and of one that pipelined", async () => {
    await using setup = await setUp(small);
    const old = await setup.client();
    expect((await old.send("GET / HTTP/1.0\r\n\r\n").readResponse()).body.toString()).toBe("ok");
    await until(() => old.isClosed);
    const eager = await setup.client();
    expect((await eager.send(closing + keeping).readResponse()).body.toString()).toBe("ok");
    await until(() => eager.isEnded);
    expect(eager.received).toHaveLength(0);
    expect(setup.lastWrites).toHaveLength(2);
  });

  test.each(Object.entries(partialWrites))("loses nothing where the system %s", async (_, change) => {
    for (const [respond, expected] of [[small, "ok"] as const, [large, body] as const]) {
      await using setup = await setUp(respond, change);
      const client = await setup.client();
      // Once read in one piece, once in many, because the client reads late.
      client.socket.pause();
      client.send(closing);
      await until(() => setup.fixture.records.length === 1);
      client.socket.resume();
      const response = await client.readResponse();
      expect([response.status, response.body.toString()]).toEqual([200, expected]);
      await until(() => client.isClosed);
      expect(client.isReset).toBe(false);
    }
  });

  test("is an ordinary one for a client that has left", async () => {
    const writes: (() => void)[] = [];
    await using setup = await setUp((_, socket) => void writes.push(() => socket.write(respondWith("ok"))));
    const client = await setup.client();
    client.send(closing);
    await until(() => writes.length === 1);
    client.socket.resetAndDestroy();
    writes[0]?.();
    await until(() => setup.fixture.listener.active() === 0);
    // The descriptor of a closed connection may be another one's by now.
    const other = await setup.client();
    other.send(keeping);
    await until(() => writes.length === 2);
    writes[1]?.();
    expect((await other.readResponse()).body.toString()).toBe("ok");
    expect(setup.fixture.bugs).toEqual([]);
  });
});
