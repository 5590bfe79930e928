import { describe, expect, test } from "bun:test";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

/** An upstream that never finishes: WebSockets stay open, responses begin and never end. */
function startEndlessUpstream() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, server) {
      if (server.upgrade(request, { data: undefined })) return undefined;
      const body = new ReadableStream({
        start: (controller) => controller.enqueue("a beginning".repeat(8_000)),
      });
      return new Response(body);
    },
    websocket: { message: (socket, message) => void socket.send(message) },
  });
}

describe.each([...engineNames])("a forced drain with two workers and the %s engine", (engine) => {
  test("aborts tunnels and slow responses in every worker, and reports the number", async () => {
    await using programs = new Programs();
    const endless = startEndlessUpstream();
    const spare = await startOrigin((_, socket) => void socket.write(respondWith("spare")));
    const proxy = programs.evenkeel(
      ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--workers", "2"],
      ...["--engine", engine],
      ...[
        "--upstreams",
        `http://127.0.0.1:${endless.port};name=a,http://127.0.0.1:${spare.port};name=b;backup`,
      ],
    );
    const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    const inFlight = async () => (await snapshot()).pools[0]?.upstreams[0]?.inFlight;
    const ends: string[] = [];
    let opened = 0;
    const openBoth = async () => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/chat`);
      socket.onclose = ({ code }) => void ends.push(`tunnel ${code}`);
      const response = await fetch(`${url}/slow`, { headers: { connection: "close" } });
      response.text().then(
        () => ends.push("complete response"),
        () => ends.push("truncated response"),
      );
      await until(() => socket.readyState === WebSocket.OPEN, "the WebSocket");
      opened += 2;
      await until(async () => (await inFlight()) === opened, "it to be counted");
    };
    // The kernel distributes the connections: open more until both workers have some.
    const bothHave = async () => (await snapshot()).workers?.every((worker) => worker.inFlight > 0);
    do await openBoth();
    while (!(await bothHave()) && opened < 60);
    expect(await bothHave()).toBe(true);
    const forced = await fetch(`${admin}/api/upstreams/a/drain?force=1`, { method: "POST" });
    expect([forced.status, await forced.json()]).toMatchObject([
      200,
      { drained: true, inFlight: 0, cut: opened },
    ]);
    await until(() => ends.length === opened, "all of them to end");
    expect(ends.filter((end) => end === "truncated response").length).toBe(opened / 2);
    expect(ends.filter((end) => end.startsWith("tunnel")).length).toBe(opened / 2);
    expect(await (await fetch(url)).text()).toBe("spare");
    const again = await fetch(`${admin}/api/upstreams/a/drain?force=1`, { method: "POST" });
    expect(await again.json()).toMatchObject({ drained: true, cut: 0 });
    await Promise.all([endless.stop(true), spare.close()]);
  }, 40_000);
});
