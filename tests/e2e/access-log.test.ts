import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

import { engineNames } from "../../src/config/config.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { respondWith, delayed, type Origin, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("access");

type Line = Readonly<Record<string, unknown>>;

let runs = 0;
/** A new file for each test. */
const freshFile = () => inFolder(`${(runs += 1)}.log`);

function linesIn(text: string): Line[] {
  const access = text.split("\n").filter((line) => line.startsWith("{"));
  return access.map((line) => JSON.parse(line) as Line);
}

const readLines = (file: string) => (existsSync(file) ? linesIn(readFileSync(file, "utf8")) : []);

async function balancer(programs: Programs, upstreams: readonly string[], flags: readonly string[]) {
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
    ...["--upstreams", upstreams.join(","), ...flags],
  );
  const port = await proxy.port("balancer");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const lost = async () => {
    const text = await (await fetch(`${admin}/metrics`)).text();
    return Number(/^evenkeel_access_log_lost_total (.+)$/m.exec(text)?.[1]);
  };
  return { proxy, port, url: `http://127.0.0.1:${port}`, lost };
}

const startNamedOrigin = (name: string) =>
  startOrigin(delayed((_, socket) => void socket.write(respondWith(JSON.stringify({ server: { name } })))));

async function stopCleanly(proxy: Program): Promise<void> {
  expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
}

const onlyLine = (lines: readonly Line[], target: string) => {
  const found = lines.filter((line) => line["target"] === target);
  expect(found).toHaveLength(1);
  return found[0] ?? {};
};

for (const engine of engineNames) {
  describe(`the access log with the ${engine} engine`, () => {
    test("has one line for each request: completed, retried, refused, client gone, upgraded", async () => {
      await using programs = new Programs();
      const waiting: string[] = [];
      let echo = 0;
      const good = await startOrigin({
        respond: ({ target }, socket) => {
          if (target === "/left") waiting.push(target);
          else socket.write(respondWith("hello"));
        },
      });
      // TCP probes only connect and pass.
      const bad = await startOrigin((_, socket) => void socket.destroy());
      const websocket = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no")),
        websocket: { message: (socket, text) => void ((echo += 1), socket.send(text)) },
      });
      const file = freshFile();
      const config = inFolder(`shapes-${engine}.yaml`);
      writeFileSync(
        config,
        `
accessLog: { to: ${file} }
pools:
  main: { upstreams: [{ url: "${good.url}", name: good }] }
  shaky: { policy: first, upstreams: [{ url: "${bad.url}", name: bad }, { url: "${good.url}", name: good-2 }] }
  chat: { upstreams: ["http://127.0.0.1:${websocket.port}"] }
  small: { maxRequestBody: 1KiB, upstreams: ["${good.url}"] }
routes:
  - { path: /shaky, pool: shaky }
  - { path: /chat, pool: chat }
  - { path: /small, pool: small }
  - { pool: main }
`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
        ...["--engine", engine, "--config", config],
      );
      const port = await proxy.port("balancer");
      const url = `http://127.0.0.1:${port}`;
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
      expect(await (await fetch(`${url}/answered?a=1`, { headers: { traceparent } })).text()).toBe("hello");
      expect((await fetch(`${url}/shaky`)).status).toBe(200);
      expect((await fetch(`${url}/small`, { method: "POST", body: "x".repeat(2_000) })).status).toBe(413);
      const client = await RawClient.connect(port);
      client.send("GET /left HTTP/1.1\r\nHost: x\r\n\r\n");
      await until(() => waiting.length === 1, "the request to arrive");
      client.socket.destroy();
      const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
      socket.addEventListener("open", () => socket.send("hi"));
      await until(() => echo === 1, "the message");
      socket.close();
      await until(() => readLines(file).length === 5, "all lines");
      await stopCleanly(proxy);
      const lines = readLines(file);
      expect(lines).toHaveLength(5);
      expect(onlyLine(lines, "/answered?a=1")).toMatchObject({
        method: "GET",
        status: 200,
        pool: "main",
        upstream: "good",
        attempts: 1,
        reason: null,
        traceId: "0af7651916cd43dd8448eb211c80319c",
        client: "127.0.0.1",
        scheme: "http",
      });
      expect(onlyLine(lines, "/shaky")).toMatchObject({
        status: 200,
        upstream: "good-2",
        attempts: 2,
        tries: [
          { upstream: "bad", status: 0, reason: "upstream_reset" },
          { upstream: "good-2", status: 200, reason: null },
        ],
      });
      expect(onlyLine(lines, "/small")).toMatchObject({
        status: 413,
        reason: "request_too_large",
        attempts: 0,
      });
      expect(onlyLine(lines, "/left")).toMatchObject({ status: 0, reason: "client_gone", upstream: "good" });
      expect(onlyLine(lines, "/chat")).toMatchObject({ status: 101, pool: "chat" });
      await Promise.all([good.close(), bad.close(), websocket.stop(true)]);
    });

    test("loses no line when its file is rotated under load with SIGHUP, nor at the exit", async () => {
      await using programs = new Programs();
      const origin = await startNamedOrigin("a");
      const file = freshFile();
      const flags = ["--engine", engine, "--access-log", file];
      const { proxy, url, lost } = await balancer(programs, [origin.url], flags);
      const load = startLoad(url, 8);
      for (const turn of [1, 2, 3]) {
        await until(() => existsSync(file) && load.count > turn * 300, "lines in the file");
        renameSync(file, `${file}.${turn}`);
        process.kill(proxy.pid, "SIGHUP");
      }
      await until(() => existsSync(file), "the next file");
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(await lost()).toBe(0);
      await stopCleanly(proxy);
      const all = [1, 2, 3].map((turn) => readLines(`${file}.${turn}`));
      expect(all.every((lines) => lines.length > 0)).toBe(true);
      const ids = [...all.flat(), ...readLines(file)].map((line) => line["requestId"]);
      expect(ids.length).toBe(origin.requests.length);
      expect(new Set(ids).size).toBe(ids.length);
      await origin.close();
    });

    test("of two workers is complete in one rotated file, and on standard output", async () => {
      await using programs = new Programs();
      const origin = await startNamedOrigin("a");
      const file = freshFile();
      const flags = ["--engine", engine, "--workers", "2"];
      const one = await balancer(programs, [origin.url], [...flags, "--access-log", file]);
      const load = startLoad(one.url, 8, () => ({ headers: { connection: "close" } }));
      await until(() => existsSync(file) && load.count > 200, "lines in the file");
      renameSync(file, `${file}.1`);
      // Workers detect the rotation themselves.
      await until(() => readLines(file).length > 0, "lines in the next file");
      await load.stop();
      await stopCleanly(one.proxy);
      const ids = [...readLines(`${file}.1`), ...readLines(file)].map((line) => line["requestId"]);
      expect(ids.length).toBe(origin.requests.length);

      const before = origin.requests.length;
      const two = await balancer(programs, [origin.url], [...flags, "--access-log", "stdout"]);
      const long = `/${"x".repeat(1_500)}`;
      const more = startLoad(`${two.url}${long}`, 8, () => ({ headers: { connection: "close" } }));
      await until(() => more.count > 400, "a load");
      await more.stop();
      expect(await two.lost()).toBe(0);
      await stopCleanly(two.proxy);
      const lines = linesIn(two.proxy.stdout);
      expect(lines.every((line) => line["target"] === long)).toBe(true);
      expect(lines.length).toBe(origin.requests.length - before);
      expect(new Set(lines.map((line) => String(line["requestId"]).slice(0, 8))).size).toBe(2);
      await origin.close();
    });

    test("has a line for a request that is aborted at the drain deadline", async () => {
      for (const workers of ["1", "2"]) {
        await using programs = new Programs();
        const silent: Origin = await startOrigin(() => {});
        const file = freshFile();
        const flags = ["--engine", engine, "--workers", workers, "--access-log", file];
        const { proxy, port } = await balancer(
          programs,
          [silent.url],
          [...flags, "--drain-timeout", "200ms"],
        );
        const client = await RawClient.connect(port);
        client.send("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
        await until(() => silent.requests.length === 1, "the request to arrive");
        await stopCleanly(proxy);
        expect(onlyLine(readLines(file), "/cut")).toMatchObject({ attempts: 1 });
        client.socket.destroy();
        await silent.close();
      }
    });
  });
}

describe("an access log whose reader has exited", () => {
  test.each(["1", "2"])(
    "blocks no request: lines are counted as lost and logged, with %s worker(s)",
    async (workers) => {
      await using programs = new Programs();
      const origin = await startNamedOrigin("a");
      const flags = ["--engine", "wire", "--access-log", "stdout", "--workers", workers];
      const { proxy, url, lost } = await balancer(programs, [origin.url], flags);
      proxy.child.stdout?.destroy();
      const load = startLoad(url, 4);
      await until(async () => (await lost()) > 0, "lines to be lost");
      const { count } = load;
      await until(() => load.count > count + 200, "more requests to complete");
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(proxy.stderr).toContain("access log lines lost");
      expect(proxy.stderr.split("access log lines lost").length).toBeLessThan(6);
      await stopCleanly(proxy);
      await origin.close();
    },
  );
});
