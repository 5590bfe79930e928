/** Who the client is and which path is matched: the same on both engines, both runtimes, and with workers. */

import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("client-and-path");
const main = join(import.meta.dirname, "../../src/main.ts");

interface RecordedRequest {
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly pool: string | null;
  readonly target: string;
}

describe("behind a trusted proxy, with a route for /admin,", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test.each([
    ["Bun", "wire", "1"],
    ["Bun", "wire", "2"],
    ["Bun", "fetch", "1"],
    ["Bun", "fetch", "2"],
    ["Deno", "wire", "1"],
    ["Deno", "fetch", "1"],
  ])(
    "on %s, the %s engine and %s worker(s)",
    async (runtime, engine, workers) => {
      if (runtime === "Deno" && !deno) return;
      await using programs = new Programs();
      const servers = await Promise.all(
        ["admin", "main"].map((name) => startOrigin((_, socket) => void socket.write(respondWith(name)))),
      );
      const [admin = 0, others = 0] = servers.map(({ port }) => port);
      const file = inFolder(`${runtime}-${engine}-${workers}.yaml`);
      writeFileSync(
        file,
        `trustedProxies: [127.0.0.1, 10.0.0.0/8]
pools:
  main: { upstreams: ["http://127.0.0.1:${others}"] }
  admin: { policy: hash, upstreams: ["http://127.0.0.1:${admin}"] }
routes: [{ host: shop.test, path: /admin, pool: admin }, { pool: main }]
`,
      );
      const command = runtime === "Deno" ? [deno, "run", "-A", "--unstable-net", main] : fromBuild;
      const proxy = programs.start([
        ...[...command, "proxy", "--config", file, "--engine", engine, "--workers", workers],
        ...["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      ]);
      const port = await proxy.port("balancer", 20_000);
      const requests = `http://127.0.0.1:${await proxy.port("admin")}/api/requests?limit=100`;
      const get = async (target: string, headers = "", host = "Shop.test.:80") => {
        const { status, body } = await sendRequest(
          port,
          `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.0.0.1\r\n${headers}\r\n`,
        );
        return status === 200 ? body.toString() : status;
      };
      for (const target of ["/admin", "/admin/x", "/%61dmin", "/admin//x", "/admin/x%2fy", "/admin?x=/../"])
        expect([target, await get(target)]).toEqual([target, "admin"]);
      for (const target of ["/", "/administrator", "/x?%2f"]) expect(await get(target)).toBe("main");
      for (const target of [
        "/admin%2fx",
        "/%5cadmin",
        "/..;/admin",
        "/x%00",
        "/%zz",
        "/%c0%afadmin",
        "/%2561dmin",
      ])
        expect([target, await get(target)]).toEqual([target, 400]);
      expect(await get("/x%2fadmin", "", "other.test")).toBe("main");
      const seen: RecordedRequest[] = [];
      await until(async () => {
        const { requests: all } = (await (await fetch(requests)).json()) as { requests: RecordedRequest[] };
        return seen.splice(0, seen.length, ...all).length >= 0 && all.length === 17;
      }, "the records of all requests");
      expect(new Set(seen.map(({ clientAddress }) => clientAddress))).toEqual(new Set(["192.0.2.7"]));
      expect(new Set(seen.map(({ peerAddress }) => peerAddress))).toEqual(new Set(["127.0.0.1"]));
      await Promise.all(servers.map((server) => server.close()));
    },
    60_000,
  );
});
