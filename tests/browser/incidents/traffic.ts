/** Upstreams that serve, and differ from their peers: one answers with 500, one is slow. At three times the pace. */

import { expect } from "bun:test";

import { startUnsteadyServers } from "../../support/demo-server.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import { fastTime } from "../../support/program.ts";
import type { BalancerEvent } from "../../../src/state/event.ts";
import { until } from "../../support/wait.ts";
import type { Story } from "./story.ts";

export const traffic: Story<"1" | "2" | "rank" | "drain" | "restart"> = {
  parts: ["2", "1", "rank", "drain", "restart"],

  async run({ browser, inFolder }, seen) {
    await using scene = new IncidentScene();
    const [checkout, search] = await Promise.all([
      startUnsteadyServers("checkout", 12),
      startUnsteadyServers("search", 16, 60),
    ]);
    for (const server of [...checkout, ...search]) scene.onEnd(() => server.stop());
    const [broken, slow] = [checkout[6], search[2]];
    if (!broken || !slow) throw new Error("Cannot find the servers");
    const probe = { path: "/readyz", interval: "20s", changingInterval: "2s", timeout: "60s" };
    await scene.start({
      browser,
      file: inFolder("traffic.json"),
      environment: fastTime(3),
      config: {
        pools: {
          checkout: { probe, upstreams: checkout.map(({ upstream }) => upstream) },
          search: { probe, upstreams: search.map(({ upstream }) => upstream) },
        },
        routes: [
          { path: "/checkout", pool: "checkout" },
          { path: "/search", pool: "search" },
        ],
      },
    });
    scene.load("/checkout", 3);
    scene.load("/search", 12);
    await scene.evenKeel();

    slow.latencyMs = 900;
    await scene.firstLine(/^search-03 is \d+ times slower than its peers$/, "warning");
    seen("2");

    broken.isFailing = true;
    await scene.firstLine("checkout-07 answers 30 % of its requests with 500", "critical");
    seen("1");
    expect((await scene.shown()).lines.map(({ title }) => title.split(" ")[0])).toEqual([
      ...["checkout-07", "search-03"],
    ]);
    seen("rank");

    const { page } = scene;
    await page
      .locator("#problem-list > li")
      .first()
      .getByRole("button", { name: "Drain checkout-07" })
      .click();
    await page.getByRole("dialog").locator("button.main").click();
    await scene.closedLine("Closed after ");
    await scene.firstLine(/^search-03 is /, "warning");
    expect((await scene.shown()).closed[0]).toMatch(
      /^Closed after .*: taken out: checkout-07 answers 30 % of its requests with 500, /,
    );
    seen("drain");

    // Its operator restarts it, and lets it take requests again.
    broken.stop();
    broken.isFailing = false;
    await broken.start();
    await scene.setMode("checkout-07", "ready");
    const requests = async () => (await scene.upstream("checkout-07")).traffic.requests;
    const before = await requests();
    await until(async () => (await requests()) >= before + 40, "its requests");
    const { events } = await scene.read<{ events: BalancerEvent[] }>("/api/events?kind=problem&limit=100");
    const story = events.filter(({ upstream }) => upstream === "checkout-07").map(({ to }) => to);
    expect(story).toEqual(["critical", "closed"]);
    seen("restart");
  },
};
