/** Clients that send FIN after their request and keep reading: they count as gone, but must not get a falsely complete response. */

import { expect, test } from "bun:test";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import type { Sockets } from "../../../src/engine/wire/sockets.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";
import { clientSockets } from "./client-sockets.ts";
import { get } from "./fixture.ts";

test.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
] as const)("a response that has started is reset, not ended, on %s", async (_, engine) => {
  const origin = await startOrigin((_request, socket) => void socket.write("HTTP/1.1 200 OK\r\n\r\na part"));
  const set = await startEngine(engine, { ports: [origin.port] });
  const client = await RawClient.connect(set.port);
  try {
    client.send(get());
    await until(() => client.received.includes("a part"), "the first part");
    client.socket.end();
    await until(() => client.isClosed, "the end");
    expect([client.isReset, client.isEnded]).toEqual([true, false]);
    await until(() => set.records.length > 0, "the record");
    expect(set.records).toMatchObject([{ isClientGone: true, attempts: [{ outcome: "cancelled" }] }]);
    await until(() => origin.open() === 0, "the upstream connection to be closed");
  } finally {
    client.destroy();
    set.close();
    await origin.close();
  }
});

/** Sockets whose clients take nothing until their FIN has arrived. */
function heldSockets(): Sockets {
  return clientSockets((socket, handler) => {
    let isHeld = true;
    const ended = handler.ended.bind(handler);
    handler.ended = () => {
      ended();
      isHeld = false;
      handler.drained();
    };
    return {
      write: (bytes, offset, length) => (isHeld ? 0 : socket.write(bytes, offset, length)),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      shutdown: () => socket.shutdown(),
      end: () => socket.end(),
      terminate: () => socket.terminate(),
    };
  });
}

test("a whole response is sent to its last byte, although the client's FIN arrives before", async () => {
  const origin = await startOrigin((_request, socket) => void socket.write(respondWith("whole")));
  const set = await startEngine(wireEngineOver(heldSockets()), { ports: [origin.port] });
  const client = await RawClient.connect(set.port);
  try {
    client.send(get());
    await until(() => set.ended.length === 1, "the response to arrive");
    client.socket.end();
    expect((await client.readResponse()).body.toString()).toBe("whole");
    await until(() => client.isClosed, "the end");
    expect(client.isReset).toBe(false);
    await until(() => set.listener.active() === 0, "no request to be active");
    expect(set.records).toMatchObject([{ status: 200, isClientGone: false }]);
  } finally {
    client.destroy();
    set.close();
    await origin.close();
  }
});
