import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test.each([
  ...engineNames.map((engine) => [engine, 1] as const),
  ...(process.platform === "linux" ? [["wire", 2] as const] : []),
])(
  "over its limit the %s engine with %i workers refuses new requests and finishes old ones, until a reload lifts it",
  async (engine, workers) => {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-memory-"));
    await using programs = new Programs();
    const pending: (() => void)[] = [];
    const origin = await startOrigin(({ target }, socket) => {
      const response = () => void socket.write(respondWith("ok", ["Content-Type: text/plain"]));
      if (target === "/slow") pending.push(response);
      else response();
    });
    try {
      const file = join(folder, "evenkeel.json");
      const write = (maxMemory: string | number) =>
        writeFileSync(file, JSON.stringify({ maxMemory, pools: { main: { upstreams: [origin.url] } } }));
      write(0);
      const proxy = programs.evenkeel(
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", file],
        ...["--engine", engine, "--workers", String(workers)],
      );
      const port = await proxy.port("balancer");
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      const metrics = async () => (await fetch(`${admin}/metrics`)).text();
      const slow = (await RawClient.connect(port)).send(get.replace("/", "/slow"));
      await until(() => pending.length === 1, "the slow request");

      const reload = async (maxMemory: string | number, shedding: boolean) => {
        write(maxMemory);
        proxy.child.kill("SIGHUP");
        await until(async () => (await snapshot()).memory.shedding === shedding, `shedding: ${shedding}`);
      };
      await reload("20MiB", true);
      const { memory, events } = await snapshot();
      expect(memory.limitBytes).toBe(20 * 2 ** 20);
      expect(memory.rssBytes).toBeGreaterThan(workers * 20 * 2 ** 20);
      expect(events.find(({ kind }) => kind === "load")).toMatchObject({
        from: "calm",
        to: "shedding",
        reason: "memory",
      });

      // Workers apply it shortly later.
      let refused = await (await RawClient.connect(port)).send(get).readResponse();
      await until(async () => {
        refused = await (await RawClient.connect(port)).send(get).readResponse();
        return refused.status === 503;
      }, "a refusal");
      expect(refused.body.toString()).toContain("overloaded");
      expect(refused.header("retry-after")).toBe("2");
      expect(refused.header("proxy-status")).toContain("proxy_internal_response");
      expect(refused.header("connection")?.toLowerCase()).toBe("close");
      expect((await fetch(`${admin}/readyz`)).status).toBe(200);
      expect(await metrics()).toMatch(/^evenkeel_shedding 1$/m);
      await until(
        async () => /evenkeel_refusals_total\{pool="main",reason="overloaded"\} [1-9]/.test(await metrics()),
        "the refusals to be counted",
      );
      pending[0]?.();
      expect((await slow.readResponse()).status).toBe(200);

      await reload(0, false);
      await until(
        async () => (await (await RawClient.connect(port)).send(get).readResponse()).status === 200,
        "requests to be accepted again",
      );
      expect(await metrics()).toMatch(/^evenkeel_shedding 0$/m);
    } finally {
      await origin.close();
      rmSync(folder, { recursive: true });
    }
  },
  30_000,
);
