import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { engineNames } from "../../src/config/config.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { until } from "../support/wait.ts";

describe.each([...engineNames])("sticky clients of two workers with the %s engine", (engine) => {
  const balancer = new BalancerFixture();
  beforeAll(async () => {
    await balancer.startServers("a", "b");
    const pool = balancer.poolWith(["a", "b"], "    sticky: true\n");
    balancer.write(
      `${pool}routes:\n  - { name: web, split: { pools: { main: 1, other: 0 } } }\n`.replace(
        "routes:",
        `  other: { upstreams: [{ url: "${balancer.urlOf("b")}", name: c }] }\nroutes:`,
      ),
    );
    await balancer.start("--workers", "2", "--engine", engine);
    await until(async () => (await balancer.upstream("a"))?.status === "passing", "a passing upstream");
  });
  afterAll(() => balancer[Symbol.asyncDispose]());

  /** A new connection each time, so that both workers get some. */
  const ask = async (cookie = "") => {
    const response = await fetch(balancer.url, {
      headers: { connection: "close", ...(cookie === "" ? {} : { cookie }) },
    });
    const { server } = (await response.json()) as { readonly server: { readonly name: string } };
    return { name: server.name, setCookie: response.headers.get("set-cookie")?.split(";")[0] };
  };

  test("stay with their upstream, in all workers, after a restart, and until a drain has no time left", async () => {
    const first = await ask();
    const cookie = first.setCookie ?? "";
    expect(cookie).toMatch(/^evenkeel_main=[\w-]{22}$/);
    const askMany = async () => {
      for (let i = 0; i < 12; i++)
        expect(await ask(cookie)).toEqual({ name: first.name, setCookie: undefined });
    };
    await askMany();
    await balancer.proxy.kill("SIGTERM");
    await balancer.restart();
    await askMany();

    const other = first.name === "a" ? "b" : "a";
    const drained = balancer.callAdmin("POST", `/api/upstreams/${first.name}/drain?wait=2s`);
    await until(async () => (await balancer.upstream(first.name))?.mode === "draining", "the drain");
    await askMany();
    expect((await ask()).name).toBe(other);
    expect(await drained).toMatchObject({ status: 200, body: { drained: true } });
    expect(await ask(cookie)).toMatchObject({ name: other });

    const metrics = await (await fetch(`${balancer.admin}/metrics`)).text();
    expect(metrics).toMatch(/evenkeel_sticky_total\{pool="main",result="kept"\} \d+/);
    expect(metrics).toMatch(/evenkeel_split_total\{pool="main",route="web"\} \d+/);
  }, 30_000);
});
