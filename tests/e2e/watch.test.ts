/** `--watch` where the configuration file is behind a link, as release tools and Kubernetes place it. */

import { expect, test } from "bun:test";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";

import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, fromSource, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("watch-links");

test.each(["Bun", "Deno"])(
  "a swapped release folder is applied on %s",
  async (name) => {
    const deno = name === "Deno" ? await findDeno() : "";
    if (name === "Deno" && !deno) return;
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    mkdirSync(inFolder(name));
    for (const retries of [0, 1, 2]) {
      mkdirSync(inFolder(`${name}/rel${retries}`));
      const text = `pools: { main: { upstreams: ["${origin.url}"], retries: ${retries} } }\n`;
      writeFileSync(inFolder(`${name}/rel${retries}/evenkeel.yaml`), text);
    }
    symlinkSync("rel0", inFolder(`${name}/current`));
    const command = deno ? [deno, "run", "-A", fromSource[1] ?? ""] : fromBuild;
    const config = ["--config", inFolder(`${name}/current/evenkeel.yaml`), "--watch"];
    const proxy = programs.start([...command, "proxy", "--port", "0", "--admin-port", "0", ...config]);
    await proxy.port("balancer", 20_000);
    for (const retries of [1, 2]) {
      symlinkSync(`rel${retries}`, inFolder(`${name}/next`));
      renameSync(inFolder(`${name}/next`), inFolder(`${name}/current`));
      const applied = () => [...proxy.stderr.matchAll(/configuration applied/g)].length === retries;
      await until(applied, `release ${retries}`);
    }
    expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await origin.close();
  },
  60_000,
);
