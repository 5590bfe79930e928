import { describe, expect, test } from "bun:test";

import { engineNames } from "../../src/config/config.ts";
import { attributesOf, startCollector } from "../support/collector.ts";
import { startLoad } from "../support/load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const clientSpan = "b7ad6b7169203331";

for (const engine of engineNames) {
  for (const workers of ["1", "2"]) {
    describe(`tracing with the ${engine} engine and ${workers} worker(s)`, () => {
      test("exports spans of the exchange and its attempts, between the client's span and the upstream's", async () => {
        await using programs = new Programs();
        const collector = await startCollector();
        const good = await startOrigin((_, socket) => void socket.write(respondWith("hello")));
        const bad = await startOrigin((_, socket) => void socket.destroy());
        const proxy = programs.evenkeel(
          ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--policy", "first"],
          ...["--engine", engine, "--workers", workers, "--otlp-endpoint", collector.url],
          ...["--upstreams", `${bad.url};name=bad,${good.url};name=good`],
        );
        const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
        const headers = { traceparent: `00-${traceId}-${clientSpan}-01`, tracestate: "vendor=1" };
        expect(await (await fetch(`${url}/cart`, { headers })).text()).toBe("hello");
        // Not sampled by its client: the header is forwarded unchanged, and no span is exported.
        const unsampled = `00-${traceId}-${clientSpan}-00`;
        await (await fetch(`${url}/quiet`, { headers: { traceparent: unsampled } })).text();
        // Pending spans are sent before the exit.
        expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
        const spans = collector.spans();
        expect(spans.every((span) => span.traceId === traceId)).toBe(true);
        const servers = spans.filter(({ kind }) => kind === 2);
        expect(servers).toHaveLength(1);
        const [server] = servers;
        expect(server?.parentSpanId).toBe(clientSpan);
        const attempts = spans.filter(({ kind }) => kind === 3);
        expect(attempts.map((span) => attributesOf(span)["evenkeel.upstream"])).toEqual(["bad", "good"]);
        for (const span of attempts) expect(span.parentSpanId).toBe(server?.spanId);
        const received = good.requests.map((request) => request.header("traceparent"));
        expect(received).toEqual([`00-${traceId}-${server?.spanId}-01`, unsampled]);
        expect(good.requests[0]?.header("tracestate")).toBe("vendor=1");
        expect(collector.resource()).toMatchObject({ "service.name": "evenkeel" });
        await Promise.all([good.close(), bad.close()]);
        collector.close();
      });
    });
  }
}

describe("a collector that is down", () => {
  test("fails no request, and is logged at intervals", async () => {
    await using programs = new Programs();
    const collector = await startCollector();
    collector.close();
    const json = respondWith(JSON.stringify({ server: { name: "a" } }));
    const origin = await startOrigin((_, socket) => void socket.write(json));
    const proxy = programs.evenkeel(
      ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", "wire"],
      ...["--upstreams", origin.url, "--otlp-endpoint", collector.url],
    );
    const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
    const traceparent = `00-${traceId}-${clientSpan}-01`;
    const load = startLoad(url, 4, () => ({ headers: { traceparent } }));
    await until(() => proxy.stderr.includes("spans lost"), "the warning", 20_000);
    const { count } = load;
    await until(() => load.count > count + 200, "more requests to complete");
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(proxy.stderr.split("spans lost").length).toBeLessThan(5);
    expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await origin.close();
  }, 40_000);
});
