/** Service when clients open more connections than the limit on open files allows. */

import { afterAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const sockets: Socket[] = [];
afterAll(() => void sockets.forEach((socket) => socket.destroy()));

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("a flood of clients beyond the limit on open files blocks neither upstream connections nor the admin API of served clients", async () => {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const limited = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", ...fromBuild];
  const flags = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", "wire"];
  const proxy = programs.start([...limited, "proxy", ...flags, "--upstreams", origin.url]);
  const port = await proxy.port("balancer");
  const admin = await proxy.port("admin");
  await until(() => proxy.stderr.includes("client limit lowered"), "the warning");
  const served = await RawClient.connect(port);
  // A client beyond the limit is refused and closed at once: its socket may report only the close.
  const arrived = new Set<Socket>();
  for (let i = 0; i < 600; i++) {
    const socket = connect({ port, host: "127.0.0.1" });
    for (const end of ["connect", "error", "close"]) socket.on(end, () => arrived.add(socket));
    sockets.push(socket);
  }
  // If the accept queue overflows, the kernel retries after one, three and seven seconds.
  await until(() => arrived.size === 600, "the flood", 15_000);
  expect((await served.send(get).readResponse()).body.toString()).toBe("ok");
  expect((await fetch(`http://127.0.0.1:${admin}/readyz`)).status).toBe(200);
  await until(
    async () => (await sendRequest(port, get).catch(() => undefined))?.status === 503,
    "a client beyond the limit to get 503",
  );
  expect((await served.send(get).readResponse()).body.toString()).toBe("ok");
  for (const socket of sockets) socket.destroy();
  await until(
    async () => (await sendRequest(port, get).catch(() => undefined))?.status === 200,
    "free connections",
  );
  expect(proxy.stderr).not.toContain("connect_refused");
  served.destroy();
  await origin.close();
}, 30_000);
