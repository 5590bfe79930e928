import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { BalancerFixture } from "../support/balancer-fixture.ts";
import { findDeno } from "../support/deno.ts";
import { container, FakeDockerDaemon } from "../support/docker-daemon.ts";
import { endpoint, FakeKubernetesApi, slice } from "../support/kubernetes-api.ts";
import { startLoad } from "../support/load.ts";
import { until } from "../support/wait.ts";

/** What runs the servers, and tells the balancer of them. */
interface Orchestrator extends AsyncDisposable {
  /** The entry of `upstreams`. */
  readonly entry: string;
  /** As the events name it. */
  readonly source: string;
  /** These servers run, and no others. */
  run(names: readonly string[]): void;
  /** This server is about to end, and still serves. */
  terminate(name: string): void;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

const portOf = (fixture: BalancerFixture, name: string) => new URL(fixture.urlOf(name)).port;

async function startDocker(fixture: BalancerFixture): Promise<Orchestrator> {
  const socket = join(fixture.folder, "docker.sock");
  const daemon = await new FakeDockerDaemon(socket).start();
  const containerOf = (name: string) =>
    container(name, "127.0.0.1", { labels: { "evenkeel.port": portOf(fixture, name) } });
  const host = `unix://${socket}`;
  return {
    entry: `docker: { label: app=web, host: "${host}" }`,
    source: `docker label app=web at ${host}`,
    run(names) {
      const before = daemon.containers;
      daemon.containers = names.map(containerOf);
      for (const one of daemon.containers) if (!before.includes(one)) daemon.emit("start", one);
      for (const one of before) daemon.emit("die", one);
    },
    terminate: (name) => daemon.emit("kill", containerOf(name), { signal: "15" }),
    goAway: () => daemon.die(),
    comeBack: async () => void (await daemon.start()),
    [Symbol.asyncDispose]: () => daemon.die(),
  };
}

async function startKubernetes(fixture: BalancerFixture): Promise<Orchestrator> {
  const api = await (await FakeKubernetesApi.create()).start();
  const { port } = api;
  // As in a pod, except for the files.
  fixture.environment = { KUBERNETES_SERVICE_HOST: "localhost", KUBERNETES_SERVICE_PORT: String(port) };
  const [caFile, tokenFile] = [join(fixture.folder, "ca.crt"), join(fixture.folder, "token")];
  writeFileSync(caFile, api.ca);
  writeFileSync(tokenFile, api.token);
  let running: readonly string[] = [];
  // Each server has a port of its own, and so a slice.
  const sliceOf = (name: string, conditions = {}) =>
    slice(`web-${name}`, [endpoint("127.0.0.1", conditions, name)], {
      ports: [{ name: "http", protocol: "TCP", port: Number(portOf(fixture, name)) }],
    });
  return {
    entry: `kubernetes: { service: web, port: http, caFile: "${caFile}", tokenFile: "${tokenFile}" }`,
    source: "kubernetes web port http",
    run(names) {
      for (const name of names) api.put(sliceOf(name));
      for (const name of running) if (!names.includes(name)) api.remove(sliceOf(name));
      running = names;
    },
    terminate: (name) => api.put(sliceOf(name, { ready: false, terminating: true })),
    goAway: () => api.stop(),
    comeBack: async () => void (await api.start(port)),
    [Symbol.asyncDispose]: () => api.stop(),
  };
}

const orchestrators = { docker: startDocker, kubernetes: startKubernetes };
type OrchestratorName = keyof typeof orchestrators;

/** Members come, terminate and go, the orchestrator dies and comes back, and no request fails. */
async function followUnderLoad(
  fixture: BalancerFixture,
  name: OrchestratorName,
  flags: readonly string[],
): Promise<void> {
  await fixture.startServers("a", "b", "c");
  await using orchestrator = await orchestrators[name](fixture);
  orchestrator.run(["a", "b"]);
  const probe = "probe: { path: /readyz, interval: 200ms }";
  fixture.write(`pools: { main: { ${probe}, upstreams: [{ ${orchestrator.entry} }] } }\n`);
  await fixture.start(...flags);
  const idOf = (server: string) => `main:127.0.0.1:${portOf(fixture, server)}`;
  const reaches = (...servers: string[]) =>
    until(
      async () => (await fixture.ids()).toSorted().join() === servers.map(idOf).toSorted().join(),
      `members ${servers.join()}: ${fixture.proxy.describe()}`,
      20_000,
    );
  await reaches("a", "b");
  const load = startLoad(`${fixture.url}/work`, 6);
  const serves = async (server: string) => {
    const before = load.servers.get(server) ?? 0;
    await until(() => (load.servers.get(server) ?? 0) > before + 5, `load on ${server}`, 10_000);
  };
  await serves("a");

  orchestrator.run(["a", "b", "c"]);
  await reaches("a", "b", "c");
  await serves("c");

  // It leaves while the orchestrator still lists it.
  orchestrator.terminate("b");
  await reaches("a", "c");
  orchestrator.run(["a", "c"]);
  await serves("c");

  await orchestrator.goAway();
  const isStale = async () => (await fixture.events("kind=discovery")).some(({ to }) => to === "stale");
  await until(isStale, "the event of the dead orchestrator", 20_000);
  expect((await fixture.ids()).toSorted()).toEqual([idOf("a"), idOf("c")].toSorted());
  await serves("a");
  orchestrator.run(["b"]);
  await orchestrator.comeBack();
  await reaches("b");
  await serves("b");

  await load.stop();
  expect(load.failures).toEqual([]);
  const members = await fixture.events("kind=member");
  expect(new Set(members.map(({ by }) => by))).toEqual(new Set([orchestrator.source]));
  const states = await fixture.events("kind=discovery");
  expect(states.map(({ by, to }) => `${by} ${to}`)).toEqual([
    `${orchestrator.source} stale`,
    `${orchestrator.source} current`,
  ]);
}

// Each engine and number of workers has its test with members of a file: what follows a source is the same.
describe("members come, terminate and go", () => {
  test.concurrent.each([
    ["docker", "wire", "2"],
    ["kubernetes", "fetch", "1"],
  ] as const)(
    "of %s on the %s engine with %s worker(s), without a failed request",
    async (name, engine, workers) => {
      await using fixture = new BalancerFixture();
      await followUnderLoad(fixture, name, ["--engine", engine, "--workers", workers]);
    },
    90_000,
  );
});

describe("under Deno", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test.each(["docker", "kubernetes"] as const)(
    "members of %s come, terminate and go",
    async (name) => {
      if (!deno) return;
      await using fixture = new BalancerFixture();
      fixture.command = [deno, "run", "-A", "--unstable-net", join(import.meta.dirname, "../../src/main.ts")];
      await followUnderLoad(fixture, name, []);
    },
    90_000,
  );
});
