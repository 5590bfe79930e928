/** Processes of upstreams that are killed and frozen, in real time. */

import { startUnsteadyServers } from "../../support/demo-server.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import { until } from "../../support/wait.ts";
import type { Story } from "./story.ts";

export const processes: Story<"4" | "5" | "6" | "16"> = {
  parts: ["4", "16", "5", "6"],

  async run({ browser, inFolder }, seen) {
    await using scene = new IncidentScene();
    const mortal = ["web-04", "api-2", "checkout-10", "checkout-11", "checkout-12", "orders-1", "orders-2"];
    const [web, api, checkout, ...programs] = await Promise.all([
      startUnsteadyServers("web", 24),
      startUnsteadyServers("api", 1),
      startUnsteadyServers("checkout", 9),
      ...mortal.map((name) => scene.server(name)),
    ]);
    for (const server of [...web, ...api, ...checkout]) scene.onEnd(() => server.stop());
    const entryOf = (name: string) => {
      const found = programs.find((each) => each.name === name);
      return { url: found?.url, name };
    };
    const kill = (name: string, signal: NodeJS.Signals = "SIGKILL") =>
      programs.find((each) => each.name === name)?.program.child.kill(signal);
    scene.onEnd(() => kill("api-2", "SIGCONT"));
    const steady = (servers: typeof web) => servers.map(({ upstream }) => upstream);
    const probe = { path: "/readyz", interval: "2s", changingInterval: "300ms", timeout: "1s" };
    await scene.start({
      browser,
      file: inFolder("processes.json"),
      config: {
        pools: {
          web: {
            probe: { ...probe, interval: "5s" },
            upstreams: steady(web).map((entry) => (entry.name === "web-04" ? entryOf("web-04") : entry)),
          },
          api: { probe, upstreams: [...steady(api), entryOf("api-2")] },
          checkout: {
            ...{ probe, retries: 0, outlier: { consecutiveFailures: 50 } },
            upstreams: [...steady(checkout), ...mortal.slice(2, 5).map(entryOf)],
          },
          orders: { probe, upstreams: mortal.slice(5).map(entryOf) },
        },
        // The dashboard's check of the listener goes to orders too.
        routes: [
          ...["web", "api", "checkout"].map((pool) => ({ path: `/${pool}`, pool })),
          { path: "/", pool: "orders" },
        ],
      },
    });
    await scene.evenKeel();

    scene.load("/web", 3);
    kill("web-04");
    await scene.firstLine("web-04 refuses connections", "warning");
    seen("4");
    await scene.setMode("web-04", "maintenance");

    const load = scene.load("/api", 2);
    await until(() => load.servers.has("api-2"), "requests on both");
    kill("api-2", "SIGSTOP");
    await scene.firstLine("api-2 does not answer", "warning");
    seen("16");
    kill("api-2", "SIGKILL");
    await scene.setMode("api-2", "maintenance");

    const checkouts = scene.load("/checkout", 5);
    await until(() => checkouts.count >= 100, "as many requests as say something");
    for (const name of mortal.slice(2, 5)) kill(name);
    await scene.firstLine("3 of 12 checkout upstreams refuse connections", "critical");
    seen("5");
    for (const name of mortal.slice(2, 5)) await scene.setMode(name, "maintenance");

    scene.load("/orders", 2);
    for (const name of mortal.slice(5)) kill(name);
    await scene.firstLine("No upstream serves pool orders", "critical");
    seen("6");
  },
};
