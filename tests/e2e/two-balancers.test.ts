/** Two balancers on one machine: they share no state file. */

import { expect, test } from "bun:test";

import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, fromSource, Programs } from "../support/program.ts";

const inFolder = temporaryFolder("two-balancers");

/** The default state file, in a home of its own. */
const homeOf = (name: string) => ({ EVENKEEL_STATE: "", XDG_STATE_HOME: inFolder(name) });

test("a second balancer names the first one's process id and --state, and exits with 2", async () => {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const flags = ["proxy", "--port", "0", "--admin-port", "0", "--upstreams", origin.url];
  const file = inFolder("shared/evenkeel/state.db");
  const commands = [fromBuild];
  const deno = await findDeno();
  if (deno) commands.push([deno, "run", "-A", fromSource[1] ?? ""]);
  for (const first of commands) {
    for (const second of commands) {
      const holder = programs.start([...first, ...flags, "--workers", "2"], homeOf("shared"));
      await holder.port("balancer", 20_000);
      const refused = programs.start([...second, ...flags], homeOf("shared"));
      expect((await refused.exited).code).toBe(2);
      expect(refused.stderr.trim().split("\n").at(-1)).toBe(
        `Cannot use the state file: the balancer with process id ${holder.pid} uses it; ` +
          `end that one, or name another file with --state (received ${file}).`,
      );
      const other = programs.start([...second, ...flags, "--state", inFolder("other.db")]);
      await other.port("balancer", 20_000);
      // No lock remains, neither after a stop nor after the worst end.
      await other.kill("SIGTERM");
      await holder.kill("SIGKILL");
    }
  }
  const last = programs.start([...fromBuild, ...flags], homeOf("shared"));
  await last.port("balancer");
  expect(await last.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  await origin.close();
}, 90_000);

test("the demo has a state file of its own", async () => {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const flags = ["--port", "0", "--admin-port", "0", "--upstreams", origin.url];
  const proxy = programs.start([...fromBuild, "proxy", ...flags], homeOf("both"));
  await proxy.port("balancer");
  const up = programs.start([...fromBuild, "up", ...flags, "--dashboard-port", "0"], homeOf("both"));
  await up.port("dashboard");
  expect(await up.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  await origin.close();
}, 30_000);
