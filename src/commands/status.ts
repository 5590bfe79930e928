/** `evenkeel status`: how everything is, once or again every second. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import { type DashboardState, nextDashboardState } from "../dashboard/picture.ts";
import { sleep, systemWallClock } from "../lib/clock.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { serves, statusLines } from "./status-table.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

const refreshMs = 1_000;

/** With `--watch` it does not end by itself: it goes on through restarts of the balancer, and says so. */
export async function showStatus(
  { isWatched, asJson }: Extract<Verb, { verb: "status" }>,
  {
    ask: target,
    call,
    terminal,
  }: { readonly ask: AdminTarget; readonly call: AdminCall; readonly terminal: Terminal },
): Promise<ExitCode | Failed> {
  let picture: DashboardState | undefined;
  for (;;) {
    const response = await call({ path: "/api/snapshot" });
    if (response.kind === "failed" && !picture) return response;
    if (response.kind === "failed" && response.exitCode !== 3) return response;
    picture = renderStatus(
      picture,
      target,
      response.kind === "failed" ? response : (response.value as Snapshot),
    );
    const { snapshot, outage } = picture;
    if (asJson) {
      if (!outage) terminal.write(`${JSON.stringify(snapshot)}\n`);
    } else show(picture, terminal, isWatched);
    if (!isWatched) return snapshot && serves(snapshot) ? 0 : 1;
    await sleep(refreshMs);
  }
}

function renderStatus(
  previous: DashboardState | undefined,
  target: AdminTarget,
  response: Snapshot | Failed,
): DashboardState {
  const at = systemWallClock();
  // The command line asks nobody but the admin side: the door is taken to be as the snapshot says.
  const frontDoor = { url: "", reachable: true, status: null, detail: "", latencyMs: 0, checkedAt: at };
  const reading =
    "exitCode" in response
      ? { error: { reason: "unreachable", message: "no answer" } as const }
      : { snapshot: response };
  return nextDashboardState(previous, { at, adminUrl: target.adminUrl, frontDoor, reading, trends: [] });
}

/** In place, without a flicker: each line is written over the one before, and what is left is cleared. */
function show(picture: DashboardState, terminal: Terminal, isWatched: boolean): void {
  const size = isWatched || terminal.isInteractive ? terminal.size() : undefined;
  const lines = statusLines(picture, { hasColour: terminal.hasColour, width: size?.columns });
  if (!isWatched || !terminal.isInteractive) {
    terminal.write(`${lines.join("\n")}\n${isWatched ? "\n" : ""}`);
    return;
  }
  const most = Math.max(2, (size?.rows ?? 24) - 1);
  const fitting =
    lines.length > most ? [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more lines`] : lines;
  terminal.write(`\x1b[H${fitting.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}
