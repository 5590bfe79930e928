import { describe, expect, test } from "bun:test";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { startConnectionLoad } from "../support/connection-load.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { isGone, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("upgrade");

const flags = (port: number, ...more: string[]) => [
  ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
  ...["--upstreams", `http://127.0.0.1:${port};name=one`, ...more],
];

async function started(programs: Programs, argv: readonly string[]) {
  const program = programs.evenkeel(...argv);
  const port = await program.port("balancer");
  const admin = `http://127.0.0.1:${await program.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const events = async () =>
    ((await (await fetch(`${admin}/api/events?limit=2000`)).json()) as { events: BalancerEvent[] }).events;
  return { program, port, admin, snapshot, events };
}

const prompt = () => startOrigin((_, socket) => void socket.write(respondWith("ok")));

describe("an upgrade", () => {
  for (const workers of [1, 2]) {
    test(`loses no connection in three handovers of ${workers} processes, with a stalled event loop`, async () => {
      await using programs = new Programs();
      const origin = await prompt();
      const { program, port, admin, snapshot, events } = await started(
        programs,
        flags(origin.port, "--state", inFolder(`load-${workers}.db`), "--workers", `${workers}`),
      );
      await using upgraded = new UpgradedProgram(program);
      const load = startConnectionLoad({ port, freshClients: 12, keptClients: 4 });
      await until(() => load.fresh > 100 && load.kept > 100, "the load to run");
      for (const generation of [1, 2, 3]) {
        const old = upgraded.pid;
        const before = load.fresh;
        const finished = upgraded.upgrade(admin);
        await until(
          () => program.stderr.split('"took over"').length === generation + 1,
          "the new process to serve",
        );
        await upgraded.stall(old, 50);
        expect(await finished).toMatchObject({ upgraded: true });
        await until(() => isGone(old), "the old process to exit", 15_000);
        await until(() => load.fresh > before + 100, "more connections");
      }
      await load.stop();
      expect([...load.lost]).toEqual([]);
      expect((await snapshot()).upgrade).toMatchObject({ generation: 3, isRunning: false, failed: null });
      expect((await events()).filter(({ kind }) => kind === "upgrade")).toHaveLength(3);
      await origin.close();
    }, 30_000);
  }
});
