import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import type { RequestSummary } from "../../src/requests/requests.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("kept-requests-e2e");

const flags = (upstreams: string, state: string) => [
  ...["proxy", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--policy", "first"],
  ...["--state", inFolder(state), "--upstreams", upstreams],
];

const failing = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/** An upstream that answers 500 for paths below /fail. */
const startFlaky = () =>
  startOrigin((request, socket) => {
    socket.write(request.target.startsWith("/fail") ? failing : respondWith("ok"));
  });

interface KeptList {
  readonly requests: readonly StoredRequest[];
  readonly next: string | null;
}

async function read<Value>(program: Program, path: string): Promise<Value> {
  const response = await fetch(`http://127.0.0.1:${await program.port("admin")}${path}`);
  expect(`${path} ${response.status}`).toBe(`${path} 200`);
  return (await response.json()) as Value;
}

const list = (program: Program, query: string) => read<KeptList>(program, `/api/requests?${query}`);

describe("kept requests", () => {
  test.each([
    { name: "one process", more: [] },
    { name: "workers", more: ["--workers", "2"] },
  ])(
    "of $name survive a restart, and are found by time, outcome, upstream and path",
    async ({ name, more }) => {
      await using programs = new Programs();
      const origin = await startFlaky();
      const state = `${name.replace(" ", "-")}.db`;
      const argv = [...flags(`${origin.url};name=api-1`, state), ...more];
      const first = programs.evenkeel(...argv);
      const url = `http://127.0.0.1:${await first.port("balancer")}`;
      const begun = new Date(Date.now() - 1_000).toISOString();
      for (let i = 0; i < 6; i++)
        await (
          await fetch(`${url}/fail/${i}?token=hunter2`, { headers: { "X-Request-Id": `failed-${i}` } })
        ).text();
      await (await fetch(`${url}/fine`)).text();
      await until(
        async () => (await list(first, "outcome=failed")).requests.length === 6,
        "six failures",
        10_000,
      );
      const ended = new Date(Date.now() + 1_000).toISOString();
      expect((await first.kill("SIGTERM")).code).toBe(0);

      const second = programs.evenkeel(...argv);
      const range = `from=${begun}&to=${ended}`;
      const page = await list(second, `${range}&outcome=failed&upstream=api-1&path=/fail&status=5xx&limit=4`);
      expect(page.requests.map(({ target, status }) => `${target} ${status}`)).toHaveLength(4);
      for (const { target } of page.requests) expect(target).toMatch(/^\/fail\/\d$/);
      const rest = await list(second, `${range}&outcome=failed&limit=4&cursor=${page.next}`);
      expect(rest.next).toBeNull();
      const ids = [...page.requests, ...rest.requests].map(({ requestId }) => requestId);
      expect(ids.toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((i) => `failed-${i}`));
      expect((await list(second, `from=-2h&to=-1h`)).requests).toEqual([]);
      expect((await list(second, "from=-1h&client=203.0.113.9")).requests).toEqual([]);

      const summary = await read<RequestSummary>(second, `/api/requests/summary?${range}`);
      expect(summary.counts).toMatchObject({ failed: 6, retried: 0 });
      expect(summary.groups[0]).toMatchObject({ count: 6, status: 500, upstreams: ["api-1"] });
      const explained = await read<{ account: string[] }>(second, "/api/requests/failed-3");
      expect(explained.account).toContain("The client got 500.");
      await origin.close();
    },
    30_000,
  );

  test("are off with requests.keep 0, and those of before are deleted", async () => {
    await using programs = new Programs();
    const origin = await startFlaky();
    const argv = flags(origin.url, "off.db");
    const first = programs.evenkeel(...argv);
    await (await fetch(`http://127.0.0.1:${await first.port("balancer")}/fail/private-path`)).text();
    await until(
      async () => (await list(first, "outcome=failed")).requests.length === 1,
      "the failure",
      10_000,
    );
    expect((await first.kill("SIGTERM")).code).toBe(0);
    const file = inFolder("off-requests.db");
    expect(readFileSync(file).toString("latin1")).toContain("private-path");

    const config = inFolder("off.yaml");
    await Bun.write(config, "requests: { keep: 0 }\n");
    const second = programs.evenkeel(...argv, "--config", config);
    const admin = `http://127.0.0.1:${await second.port("admin")}`;
    const refused = await fetch(`${admin}/api/requests?from=-1h`);
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ reason: "requests_not_kept" });
    expect((await fetch(`${admin}/api/requests`)).status).toBe(200);
    expect(existsSync(file) && readFileSync(file).toString("latin1").includes("private-path")).toBe(false);
    await origin.close();
  }, 20_000);

  test("in a file that cannot be used are logged, and the balancer serves anyway", async () => {
    await using programs = new Programs();
    await Bun.write(
      inFolder("bad-requests.db"),
      "no database at all, but long enough to look like one. ".repeat(40),
    );
    const origin = await startFlaky();
    const proxy = programs.evenkeel(...flags(origin.url, "bad.db"));
    expect((await fetch(`http://127.0.0.1:${await proxy.port("balancer")}/fail`)).status).toBe(500);
    await until(() => proxy.stderr.includes("file of kept requests unavailable"), "the message");
    await until(async () => (await list(proxy, "outcome=failed")).requests.length === 1, "in memory", 10_000);
    await origin.close();
  });
});
