import { expect, test } from "bun:test";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";

/** Connects several times, sends a request on every second connection, and resets all of them. */
const leavers = (port: number) => `
  import { connect } from "node:net";
  for (let i = 0; i < 20; i++) {
    const socket = connect(${port}, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("connect", () => {
      if (i % 2) socket.write("GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", () => socket.resetAndDestroy());
      else socket.resetAndDestroy();
    });
  }`;

test.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
] as const)("clients that reset before they are accepted do no harm, on %s", async (_, engine) => {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const set = await startEngine(engine, { ports: [origin.port] });
  const bugs: unknown[] = [];
  const onBug = (error: unknown) => void bugs.push(error);
  process.on("uncaughtException", onBug);
  try {
    // Nothing is accepted meanwhile, because this process blocks.
    const { exitCode } = Bun.spawnSync([process.execPath, "-e", leavers(set.port)]);
    expect(exitCode).toBe(0);
    expect((await sendRequest(set.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body.toString()).toBe("ok");
    await until(() => set.listener.active() === 0, "no request to be active");
    expect([...bugs, ...set.bugs]).toEqual([]);
  } finally {
    process.off("uncaughtException", onBug);
    set.close();
    await origin.close();
  }
});
