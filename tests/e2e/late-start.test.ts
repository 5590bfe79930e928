import { describe, expect, test } from "bun:test";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

/** The aim is a second from listening; the rest is the time that a busy machine takes. */
const limitMs = 1_500;

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const origin = await startOrigin(() => {});
  await origin.close();
  return origin.port;
}

const startAs = (name: string, port: number): Promise<Origin> =>
  startOrigin({ port, respond: (_, socket) => void socket.write(respondWith(name)) });

interface Setup {
  readonly workers: number;
  readonly probe: readonly string[];
  readonly upstreams: readonly number[];
}

/** A balancer, and a wait until it knows for a while that the upstream of this index is not there. */
async function startBalancer(programs: Programs, { workers, probe, upstreams }: Setup) {
  const urls = upstreams.map((port, i) => `http://127.0.0.1:${port};name=${"ab"[i]}`).join(",");
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--upstreams", urls],
    ...["--workers", String(workers), ...probe],
  );
  const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const failed = async (index: number) =>
    (await snapshot()).pools[0]?.upstreams[index]?.probeHistory.match(/^-{4,}$/) != null;
  return { url, failed };
}

describe.each([
  { kind: "TCP", workers: 1, probe: [] },
  { kind: "HTTP", workers: 1, probe: ["--probe-path", "/healthz"] },
  { kind: "TCP", workers: 2, probe: [] },
])("a server that comes up after the balancer ($kind probe, $workers worker(s))", ({ workers, probe }) => {
  test("serves within a second of listening where no other does", async () => {
    await using programs = new Programs();
    const port = await closedPort();
    const { url, failed } = await startBalancer(programs, { workers, probe, upstreams: [port] });
    await until(() => failed(0), "some failed probes");
    expect((await fetch(url)).status).toBe(503);

    const server = await startAs("a", port);
    const listensSince = performance.now();
    await until(async () => (await fetch(url)).status === 200, "the first response");
    expect(performance.now() - listensSince).toBeLessThan(limitMs);
    await server.close();
  }, 30_000);

  test("takes its share within a second of listening where another serves, and no request fails", async () => {
    await using programs = new Programs();
    const [other, port] = [await startAs("a", 0), await closedPort()];
    const { url, failed } = await startBalancer(programs, { workers, probe, upstreams: [other.port, port] });
    await until(() => failed(1), "some failed probes");

    const server = await startAs("b", port);
    const listensSince = performance.now();
    const statuses = new Set<number>();
    await until(async () => {
      const response = await fetch(url);
      statuses.add(response.status);
      return (await response.text()) === "b";
    }, "its first response");
    expect(performance.now() - listensSince).toBeLessThan(limitMs);
    expect([...statuses]).toEqual([200]);
    await Promise.all([server.close(), other.close()]);
  }, 30_000);
});
