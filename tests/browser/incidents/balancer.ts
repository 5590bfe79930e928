/** The balancer's own: certificates, a refused configuration, a full disk, short memory. In real time. */

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";

import { TestAuthority } from "../../support/acme-authority.ts";
import { startUnsteadyServers } from "../../support/demo-server.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import { fromBuild } from "../../support/program.ts";
import { freePort } from "../../support/redis-server.ts";
import type { Story } from "./story.ts";

const [hourMs, dayMs] = [3_600_000, 86_400_000];

/** Runs the rest of its arguments where the first one, a folder, is a small disk of its own. */
const onSmallDisk = [
  ...["unshare", "--map-root-user", "--mount", "sh", "-c"],
  'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"',
];

/** Whether the system lets this user make a disk. */
export const canMakeDisk =
  process.platform === "linux" &&
  spawnSync(onSmallDisk[0] ?? "", [...onSmallDisk.slice(1), "/mnt", "true"]).status === 0;
if (!canMakeDisk) console.warn("skipped: unshare cannot mount a disk for the incident of a full one");

/** Writes until nothing more goes in. */
function fill(file: string): void {
  const handle = openSync(file, "w");
  const page = Buffer.alloc(4_096, "x");
  try {
    for (;;) writeSync(handle, page);
  } catch {
    // The disk is full.
  }
  closeSync(handle);
}

export const balancer: Story<"10" | "11" | "12" | "13" | "14"> = {
  parts: ["13", "12", "14", "11", "10"],

  async run({ browser, inFolder }, seen) {
    await using scene = new IncidentScene();
    const servers = await startUnsteadyServers("api", 3);
    for (const server of servers) scene.onEnd(() => server.stop());
    const authority = await TestAuthority.create();
    const [cert, key] = [inFolder("api.crt"), inFolder("api.key")];
    const present = async (fromMs: number, toMs: number) => {
      const now = Date.now();
      const validity = { notBefore: new Date(now + fromMs), notAfter: new Date(now + toMs) };
      const pair = await authority.pair("api.example.com", validity);
      writeFileSync(cert, pair.cert);
      writeFileSync(key, pair.key);
    };
    const reloadCertificates = () => fetch(`${scene.admin}/api/certificates/reload`, { method: "POST" });
    await present(-90 * dayMs, -2 * hourMs);
    const [port, tlsPort] = [await freePort(), await freePort()];
    const configOf = (weight: number, maxMemory: string | number = 0) => ({
      maxMemory,
      listen: [
        { name: "main", host: "127.0.0.1", port },
        { name: "tls", host: "127.0.0.1", port: tlsPort, tls: { cert, key } },
      ],
      pools: {
        api: {
          probe: { path: "/readyz" },
          upstreams: servers.map(({ upstream }, index) => ({
            ...upstream,
            weight: index === 0 ? weight : 1,
          })),
        },
      },
    });
    const disk = inFolder("disk");
    mkdirSync(disk);
    await scene.start({
      ...{ browser, file: inFolder("balancer.json"), config: configOf(1) },
      ...(canMakeDisk && { command: [...onSmallDisk, disk, ...fromBuild] }),
      flags: ["--state", `${disk}/state.db`],
    });
    await scene.firstLine(
      /^Clients refuse to connect: the certificate for api\.example\.com ended at \d\d:\d\d UTC$/,
      "critical",
    );
    seen("13");

    await present(-84 * dayMs, 6.2 * dayMs);
    await reloadCertificates();
    await scene.firstLine("The certificate for api.example.com ends in 6 days", "warning");
    seen("12");
    await present(-dayMs, 89 * dayMs);
    await reloadCertificates();

    await scene.evenKeel();
    await scene.reload(configOf(-1));
    await scene.firstLine(/^The configuration was refused: line \d+, weight -1$/, "warning");
    seen("14");
    await scene.reload(configOf(1));
    await scene.evenKeel();

    if (canMakeDisk) {
      const filler = `/proc/${scene.proxy?.pid}/root${disk}/filler`;
      fill(filler);
      await scene.setMode("api-01", "draining");
      await scene.firstLine(/^Changes are not saved since \d\d:\d\d UTC: no space on disk$/, "warning");
      seen("11");
      rmSync(filler);
      await scene.setMode("api-01", "ready");
      await scene.evenKeel();
    }

    await scene.reload(configOf(1, "60MiB"));
    await scene.firstLine(/^New requests are refused: memory is short \([\d,]+ of 60 MiB\)$/, "critical");
    seen("10");
  },
};
