import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { ServiceProblem } from "../../src/problems/problem.ts";
import type { RoutesReport } from "../../src/snapshot/route-report.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("routes-e2e");

const failing = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

async function read<Value>(program: Program, path: string): Promise<Value> {
  const response = await fetch(`http://127.0.0.1:${await program.port("admin")}${path}`);
  expect(`${path} ${response.status}`).toBe(`${path} 200`);
  return (await response.json()) as Value;
}

/** Sends twenty requests each half second until a problem names the route. */
async function expectProblemOf(route: string, program: Program, send: () => Promise<unknown>): Promise<void> {
  const hits = async () => {
    const { problems } = await read<{ problems: ServiceProblem[] }>(program, "/api/problems?state=all");
    return problems.map((problem) => problem.hits.routes);
  };
  await until(
    async () => {
      await Promise.all([...Array.from({ length: 20 }, send), Bun.sleep(500)]);
      return (await hits()).some((routes) => routes.includes(route));
    },
    "the problem that hits the route",
    45_000,
  );
  expect((await hits())[0]).toEqual([route]);
}

describe("the traffic of routes", () => {
  test.each([
    { name: "the engine wire", file: "wire", more: ["--engine", "wire"], hasProblem: false },
    { name: "the engine fetch", file: "fetch", more: ["--engine", "fetch"], hasProblem: false },
    // A problem opens after half a minute. How, does not depend on the engine.
    { name: "two workers", file: "workers", more: ["--workers", "2"], hasProblem: true },
  ])(
    "of $name is told by host and path, with where each leads, and problems name it",
    async ({ file, more, hasProblem }) => {
      await using programs = new Programs();
      let answered = 0;
      const origin = await startOrigin(({ target }, socket) => {
        const isBad = target.startsWith("/checkout") && ++answered % 2 === 0;
        socket.write(isBad ? failing : respondWith("ok"));
      });
      const config = inFolder(`${file}.yaml`);
      writeFileSync(
        config,
        JSON.stringify({
          pools: { web: { upstreams: [`${origin.url};name=web-1`] } },
          routes: [
            { host: "shop.example", path: "/checkout", pool: "web" },
            { name: "old", path: "/old", redirect: "https://new.example" },
            { path: "/closed", deny: ["127.0.0.0/8"], pool: "web" },
            { pool: "web" },
          ],
        }),
      );
      const program = programs.evenkeel(
        ...["proxy", "--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--config", config],
        ...["--state", inFolder(`${file}.db`), ...more],
      );
      const url = `http://127.0.0.1:${await program.port("balancer")}`;
      const get = async (path: string, host = "shop.example") =>
        (await fetch(`${url}${path}`, { headers: { Host: host }, redirect: "manual" })).body?.cancel();
      for (let index = 0; index < 120; index++) await get("/checkout/1");
      for (let index = 0; index < 3; index++) await get("/", "other.example");
      await get("/old/page");
      await get("/closed");
      const report = () => read<RoutesReport>(program, "/api/routes");
      await until(
        async () => (await report()).routes.reduce((sum, { total }) => sum + total.requests, 0) === 125,
        "all requests",
        10_000,
      );
      const { routes, others } = await report();
      expect(others).toBeNull();
      expect(routes[0]).toMatchObject({
        ...{ route: "shop.example/checkout", name: null, place: "routes[0]", path: "/checkout" },
        leadsTo: { kind: "pool", words: "web", pools: ["web"] },
        recent: { requests: 120, errors: 60, errorShare: 0.5 },
        total: { requests: 120, errors: 60, refusals: 0 },
      });
      expect(routes[0]?.recent.p95Ms).toBeWithin(0.01, 10_000);
      expect(routes.slice(1)).toMatchObject([
        { route: "/closed", recent: { requests: 1, errors: 0, refusals: 1 } },
        { route: "/", recent: { requests: 3, errors: 0 } },
        { route: "old", leadsTo: { kind: "redirect" }, recent: { requests: 1, refusals: 0 } },
      ]);
      const metrics = await fetch(`http://127.0.0.1:${await program.port("admin")}/metrics`);
      const lines = (await metrics.text())
        .split("\n")
        .filter((line) => line.startsWith("evenkeel_route_requests"));
      expect(lines).toEqual(['evenkeel_route_requests_total{route="old",code="308"} 1']);

      if (hasProblem) await expectProblemOf("shop.example/checkout", program, () => get("/checkout/1"));

      const admin = `http://127.0.0.1:${await program.port("admin")}`;
      const listed = programs.evenkeel("routes", "--admin-url", admin);
      expect((await listed.exited).code).toBe(0);
      const [head, first] = listed.stdout.split("\n");
      expect(head).toMatch(/^ROUTE +RATE +ERRORS +P50 +P95 +P99 +RETRIES +REFUSED +LEADS TO$/);
      expect(first).toMatch(/^shop\.example\/checkout +[\d.]+ +5\d\s% .* pool web$/);
      await origin.close();
    },
    90_000,
  );
});
