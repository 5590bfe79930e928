import { expect, test } from "bun:test";
import type { Socket } from "node:net";

import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import { nodeSockets } from "../../../src/engine/wire/node.ts";
import type { ConnectHandler, Sockets } from "../../../src/engine/wire/sockets.ts";
import { respondWith, type Origin, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";
import { get, post } from "./fixture.ts";

/** Sockets that delay `closed` until `release`, as a runtime may. */
function lateSockets() {
  const held: (() => void)[] = [];
  const handlers: ConnectHandler[] = [];
  const sockets: Sockets = {
    ...nodeSockets,
    connect(address, host, handler) {
      const closed = handler.closed.bind(handler);
      handler.closed = (error) => void held.push(() => closed(error));
      handlers.push(handler);
      nodeSockets.connect(address, host, handler);
    },
  };
  return { sockets, handlers, release: () => held.splice(0).forEach((call) => call()) };
}

/** Sends two POSTs, with a `release` between them: both succeed, over one new connection. */
async function payTwice(client: RawClient, { origin, release }: { origin: Origin; release: () => void }) {
  const response = await client.send(post("pay")).readResponse();
  expect([response.status, response.body.toString()]).toEqual([200, "pay"]);
  release();
  expect((await client.send(post("again")).readResponse()).body.toString()).toBe("again");
  expect(origin.connections()).toBe(2);
}

const reasons: Readonly<Record<string, (socket: Socket, handler: ConnectHandler) => void>> = {
  "has sent unrequested bytes": (socket) => socket.write("HTTP/1.1 408 Request Timeout\r\n\r\n"),
  "has been closed by its upstream": (socket) => socket.end(),
};

for (const [reason, happen] of Object.entries(reasons)) {
  test(`an idle connection that ${reason} serves no more POST, however late its socket closes`, async () => {
    const { sockets, handlers, release } = lateSockets();
    const accepted: Socket[] = [];
    const origin = await startOrigin({
      respond: ({ body }, socket) => void socket.write(respondWith(body)),
      onConnect: (socket) => void accepted.push(socket),
    });
    const set = await startEngine(wireEngineOver(sockets), { ports: [origin.port] });
    const client = await RawClient.connect(set.port);
    try {
      await client.send(get()).readResponse();
      const [socket, handler] = [accepted[0] as Socket, handlers[0] as ConnectHandler];
      happen(socket, handler);
      await until(() => socket.destroyed, "the engine to close it");
      await payTwice(client, { origin, release });
    } finally {
      client.destroy();
      set.close();
      release();
      await origin.close();
    }
  });
}

test("an expired idle connection serves no more POST, however late its socket closes", async () => {
  const { sockets, release } = lateSockets();
  const origin = await startOrigin(
    ({ body }, socket) => void socket.write(respondWith(body, ["Keep-Alive: timeout=2"])),
  );
  const set = await startEngine(wireEngineOver(sockets), { ports: [origin.port] });
  const client = await RawClient.connect(set.port);
  try {
    await client.send(get()).readResponse();
    await until(() => origin.open() === 0, "it to expire");
    await payTwice(client, { origin, release });
  } finally {
    client.destroy();
    set.close();
    release();
    await origin.close();
  }
});

test("a connection opened for a client that left is stale, not the upstream's fault, when it closes before its first response", async () => {
  const waiting: (() => void)[] = [];
  const sockets: Sockets = {
    ...nodeSockets,
    connect(address, host, handler) {
      const opened = handler.opened.bind(handler);
      handler.opened = (socket) => void waiting.push(() => opened(socket));
      nodeSockets.connect(address, host, handler);
    },
  };
  const origin = await startOrigin(({ connection }, socket) => {
    if (connection === 1) socket.destroy();
    else socket.write(respondWith("ok"));
  });
  const set = await startEngine(wireEngineOver(sockets), { ports: [origin.port], retries: 0 });
  try {
    const hurried = await RawClient.connect(set.port);
    hurried.send(get());
    await until(() => waiting.length === 1, "a connection");
    hurried.destroy();
    await until(() => set.ended.length === 1, "the attempt to be cancelled");
    waiting[0]?.();
    const client = await RawClient.connect(set.port);
    client.send(get());
    await until(() => waiting.length === 2, "another connection");
    waiting[1]?.();
    expect((await client.readResponse()).body.toString()).toBe("ok");
    expect(set.ended.map(({ outcome }) => outcome.kind)).toEqual(["cancelled", "response"]);
    client.destroy();
  } finally {
    set.close();
    await origin.close();
  }
});
