/** A fleet of four: one stops, and then the one that the dashboard reads does not answer. In real time. */

import { startUnsteadyServers } from "../../support/demo-server.ts";
import { TestFleet } from "../../support/fleet.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import type { Story } from "./story.ts";

export const fleet: Story<"19" | "20"> = {
  parts: ["19", "20"],

  async run({ browser }, seen) {
    await using scene = new IncidentScene();
    const [server] = await startUnsteadyServers("api", 1);
    scene.onEnd(() => server?.stop());
    const members = await TestFleet.start({
      names: ["fra-1", "fra-2", "ams-1", "lon-1"],
      configuration: `pools: { main: { upstreams: [${JSON.stringify(server?.upstream)}] } }\n`,
    });
    scene.onEnd(() => members[Symbol.asyncDispose]());
    const first = members.get("fra-1");
    [scene.url, scene.admin] = [`http://127.0.0.1:${first.port}`, first.adminUrl];
    await scene.open(browser);
    await scene.evenKeel();

    await members.get("ams-1").kill();
    await scene.firstLine(/^ams-1 has not been heard since \d\d:\d\d:\d\d UTC$/, "warning");
    seen("19");

    first.program.child.kill("SIGSTOP");
    scene.onEnd(() => first.program.child.kill("SIGCONT"));
    await scene.noNews(/^No news from fra-1 since \d\d:\d\d:\d\d UTC$/);
    seen("20");
  },
};
