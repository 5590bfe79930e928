import { describe, expect, test } from "bun:test";

import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { refusalResponse } from "../../../src/engine/fetch/local-replies.ts";
import { newByteCounts } from "../../../src/engine/fetch/request-context.ts";
import type { RequestContext } from "../../../src/engine/fetch/request-context.ts";
import { refusal } from "../../../src/proxy/refusal.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";

function startEcho() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no")),
    websocket: { message: (socket, message) => void socket.send(message) },
  });
}

describe("the fetch engine's records", () => {
  test("have the upstream's status for a handshake of a WebSocket that is not whole", async () => {
    const echo = startEcho();
    const fixture = await startEngine(fetchEngine, { ports: [echo.port ?? 0] });
    try {
      const headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
      const response = await sendRequest(fixture.port, `GET /chat HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
      expect([response.status, response.body.toString()]).toEqual([200, "no"]);
      await until(() => fixture.records.length > 0);
      expect(fixture.records).toMatchObject([{ target: "/chat", status: 200, isClientGone: false }]);
      expect(fixture.records[0]?.bytesOut).toBe(response.body.length);
      expect(fixture.records[0]?.attempts).toMatchObject([{ outcome: "response" }]);
    } finally {
      fixture.close();
      await echo.stop(true);
    }
  });

  test("count the bytes of a refusal, not its characters", () => {
    const context = {
      head: { method: "GET", header: () => undefined },
      requestId: "größe",
      byteCounts: newByteCounts(),
      exchange: { editReply: (_: unknown, reply: unknown) => reply },
    } as unknown as RequestContext;
    const options = { log: { bug() {}, warn() {} } } as unknown as Parameters<typeof refusalResponse>[0];
    refusalResponse(options, context, refusal("no_upstream"));
    const { bytesOut } = context.byteCounts;
    expect(bytesOut).toBeGreaterThan(20);
    // Two of the characters of this id take two bytes.
    const plain = { ...context, requestId: "grosse", byteCounts: newByteCounts() };
    refusalResponse(options, plain, refusal("no_upstream"));
    expect(bytesOut).toBe(plain.byteCounts.bytesOut + 1);
  });
});
