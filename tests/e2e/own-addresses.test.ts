/** Requests that come back to the balancer, and upstreams that are the balancer: by address, by name, and with workers. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { startDnsServer } from "../support/dns-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { sendRequest } from "../support/raw-client.ts";

const inFolder = temporaryFolder("own-addresses");

const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

for (const flags of [
  ["--engine", "wire"],
  ["--engine", "fetch"],
  ["--engine", "wire", "--workers", "2"],
]) {
  test(`a request that its upstream sends back ends with 508: ${flags.join(" ")}`, async () => {
    await using programs = new Programs();
    let port = 0;
    const origin: Origin = await startOrigin(async (request, socket) => {
      const answer = await sendRequest(port, get("/", `Via: ${request.header("via")}\r\n`));
      socket.write(respondWith(answer.body.toString(), [], `${answer.status} Passed`));
    });
    const proxy = programs.evenkeel(
      ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", ...flags],
      ...["--upstreams", `http://127.0.0.1:${origin.port}`],
    );
    port = await proxy.port("balancer");
    const { status, body } = await sendRequest(port, get("/"));
    expect(status).toBe(508);
    expect(body.toString()).toContain("loop");
    const vias = origin.requests.map((request) => request.header("via") ?? "");
    expect(vias[0]).toMatch(/^1\.1 evenkeel-[\da-f]{8}$/);
    expect(vias).toEqual([vias[0] ?? "", `${vias[0]}, ${vias[0]}`]);
    await origin.close();
  });
}

test("the admin API is no upstream: not by an address, and not by a name that leads to it", async () => {
  await using programs = new Programs();
  const dns = await startDnsServer({ "inside.test": ["127.0.0.1"] });
  const file = inFolder("evenkeel.yaml");
  writeFileSync(
    file,
    `resolvers: ["${dns.address}"]\npools: { main: { retries: 0, upstreams: ["http://127.0.0.1:1"] } }\n`,
  );
  const proxy = programs.evenkeel(
    ...["proxy", "--config", file, "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
  );
  const [port, adminPort] = [await proxy.port("balancer"), await proxy.port("admin")];
  const admin = `http://127.0.0.1:${adminPort}/api`;
  const add = (url: string) =>
    fetch(`${admin}/pools/main/upstreams`, { method: "POST", body: JSON.stringify({ url }) });
  for (const own of [
    `http://0:${adminPort}`,
    `http://127.1:${adminPort}`,
    `http://[::ffff:127.0.0.1]:${port}`,
  ])
    expect([own, (await add(own)).status]).toEqual([own, 422]);
  expect((await add("http://169.254.169.254")).status).toBe(422);
  expect((await add(`http://inside.test:${adminPort}`)).status).toBeLessThan(300);
  await fetch(`${admin}/upstreams/127.0.0.1%3A1/mode`, { method: "POST", body: '{"mode":"maintenance"}' });
  const { status, body } = await sendRequest(port, get("/api/snapshot"));
  expect([status, body.toString()]).toEqual([403, expect.stringContaining("own_clients")]);
  dns.close();
});
