/** Upstreams that come and go, and a pool of failing ones; and one that is slow for too few requests. At ten times the pace. */

import { startUnsteadyServers, type UnsteadyServer } from "../../support/demo-server.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import { type Responder, respondWith, startOrigin } from "../../support/origin.ts";
import { fastTime } from "../../support/program.ts";
import { until } from "../../support/wait.ts";
import type { Story } from "./story.ts";

/** Whether the pool of failing ones fails, and the one that fails each time it comes back. */
const broken = { web: false, pay: false };

const responding =
  (name: keyof typeof broken): Responder =>
  ({ target }, socket) =>
    void socket.write(
      broken[name] && target !== "/readyz"
        ? respondWith("", [], "503 Service Unavailable")
        : respondWith(JSON.stringify({ server: { name } })),
    );

export const upstreams: Story<"3" | "7" | "15" | "17"> = {
  parts: ["3", "15", "17", "7"],

  async run({ browser, inFolder }, seen) {
    await using scene = new IncidentScene();
    const [quiet, media, web] = await Promise.all([
      startUnsteadyServers("quiet", 5, 60),
      startUnsteadyServers("media", 3),
      startUnsteadyServers("web", 8),
    ]);
    const servers = [...quiet, ...media, ...web];
    const failing = await startOrigin(responding("web"));
    const pay = await Promise.all(Array.from({ length: 3 }, () => startOrigin(responding("pay"))));
    const [lastToLeave] = await startUnsteadyServers("last", 1);
    if (!lastToLeave) throw new Error("Cannot start the server");
    scene.onEnd(() => lastToLeave.stop());
    scene.onEnd(() => Promise.all([failing, ...pay].map((origin) => origin.close())));
    for (const server of servers) scene.onEnd(() => server.stop());

    const entries = (some: readonly UnsteadyServer[]) => some.map(({ upstream }) => upstream);
    const probe = { path: "/readyz", interval: "20s", changingInterval: "2s", timeout: "60s" };
    const [slow] = quiet;
    if (slow) slow.latencyMs = 1_200;
    await scene.start({
      browser,
      file: inFolder("upstreams.json"),
      environment: fastTime(10),
      config: {
        pools: {
          quiet: {
            probe,
            upstreams: entries(quiet).map((entry, index) => ({ ...entry, weight: index === 0 ? 1 : 15 })),
          },
          media: {
            probe: { ...probe, interval: "2s", changingInterval: "1s", rise: 1, fall: 1 },
            upstreams: entries(media),
          },
          web: {
            ...{ probe, slowStart: 0, retryStatuses: [503] },
            outlier: { consecutiveFailures: 3, ejection: "5s" },
            upstreams: [...entries(web), { url: failing.url, name: "web-09" }],
          },
          pay: {
            ...{ probe, outlier: { consecutiveFailures: 3, ejection: "60s", maxEjected: 0.8 } },
            upstreams: [
              ...pay.map(({ url }, index) => ({ url, name: `pay-${index + 1}` })),
              lastToLeave.upstream,
            ],
          },
        },
        routes: ["quiet", "media", "web", "pay"].map((pool) => ({ path: `/${pool}`, pool })),
      },
    });

    const load = scene.load("/quiet", 3);
    await scene.passes(130_000);
    await until(
      async () => {
        const [few, many] = await Promise.all([scene.upstream("quiet-01"), scene.upstream("quiet-02")]);
        const isSlow = (few.traffic.p95Ms ?? 0) > 3 * (many.traffic.p95Ms ?? Infinity);
        return isSlow && few.traffic.requests >= 5;
      },
      "requests on the slow one",
      45_000,
    );
    await scene.evenKeel();
    await load.stop();
    seen("3");

    const isReady = (ready: boolean) =>
      fetch(`${media[1]?.upstream.url}/admin/ready`, { method: "POST", body: JSON.stringify({ ready }) });
    for (let change = 1; change <= 6; change++) {
      const status = change % 2 === 1 ? "failing" : "passing";
      await isReady(status === "passing");
      await until(async () => (await scene.upstream("media-02")).status === status, `change ${change}`);
      // A sample is taken each second.
      await scene.passes(2_000);
    }
    await scene.firstLine("media-02 is on and off: its check changed 6 times in 10 min", "warning");
    seen("15");
    await scene.setMode("media-02", "maintenance");

    scene.load("/web", 4);
    for (let turn = 0; turn < 3; turn++) {
      broken.web = true;
      await until(async () => (await scene.upstream("web-09")).status === "ejected", "its ejection");
      broken.web = false;
      await until(async () => (await scene.upstream("web-09")).status === "passing", "its return");
    }
    broken.web = true;
    await scene.firstLine("web-09 fails each time it comes back", "warning");
    seen("17");
    await scene.setMode("web-09", "maintenance");

    scene.load("/pay", 4);
    broken.pay = true;
    await scene.firstLine(/^[34] of 4 pay upstreams answer with 503$/, "critical");
    lastToLeave.stop();
    await scene.firstLine("Pool pay serves with upstreams that fail (panic mode)", "critical");
    seen("7");
  },
};
