/** The compiled program, as users run it: the time from its start to its first response, and its memory while nothing happens. */

import { engineNames } from "../../src/config/config.ts";
import { compiledExecutable } from "../support/executable.ts";
import { withSpread } from "./figures.ts";
import { memoryOf, ownMemoryOf } from "./measure.ts";
import { caddyPeer, haproxyPeer, nginxPeer } from "./other-proxies.ts";
import { compiled, evenkeelPeer } from "./peers.ts";
import type { Rounds, Table } from "./scenarios.ts";
import type { Testbed } from "./testbed.ts";

/** A try costs less than that, so the time is at most so much too long. */
const everyMs = 2;

/** By then what only the start needs has been collected. */
const settleMs = 10_000;

/** Every start is a process of its own, pinned as the others are; its program is in the kernel's cache of files. */
export async function startAndMemory(testbed: Testbed, { rounds }: Rounds): Promise<Table> {
  const executable = await compiledExecutable();
  const peers = [
    ...engineNames.map((engine, index) => compiled(evenkeelPeer(engine, 29_250 + index), executable)),
    haproxyPeer(testbed.folder, 29_252),
    nginxPeer(testbed.folder, 29_253),
    caddyPeer(testbed.folder, 29_254),
  ].filter(({ command }) => Bun.which(command[0] ?? "") !== null);
  const starts = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
  // The first start reads the program from the disk, and is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const peer of peers) {
      const proxy = await testbed.startProxy(peer, { everyMs });
      if (round >= 0) starts.get(peer.name)?.push(proxy.startMs);
      await proxy.stop();
    }
  }
  const rows: string[][] = [];
  for (const peer of peers) {
    const proxy = await testbed.startProxy(peer);
    await Bun.sleep(settleMs);
    const [resident, own] = [memoryOf(proxy.pid), ownMemoryOf(proxy.pid)];
    await proxy.stop();
    rows.push([peer.name, withSpread(starts.get(peer.name) ?? [], 0), resident.toFixed(0), own.toFixed(0)]);
  }
  return {
    title: "Start of the program, with healthy upstreams, and its memory without requests",
    head: ["", "first response, ms", "resident MiB", "of it not mapped from files, MiB"],
    rows,
  };
}
