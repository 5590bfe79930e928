/** `evenkeel alerts` and `evenkeel silence`: receivers of alerts, tests of them, and silences. */

import type { AlertsSnapshot, AlertTestResult } from "../alerts/alerts-snapshot.ts";
import type { Verb } from "../cli/verbs.ts";
import { hasReceivers } from "../client/decoders.ts";
import { systemWallClock } from "../lib/clock.ts";
import {
  lastTryText,
  receiversSentence,
  receivesText,
  silencedText,
  silenceDetails,
} from "../wording/alert-words.ts";
import { formatMs } from "../wording/format.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type Cell, type ExitCode, plainText, renderColumns, type Terminal } from "./terminal.ts";

/** A receiver may take its ten seconds. */
const testWaitMs = 12_000;

export async function showAlerts(
  command: Extract<Verb, { verb: "alerts" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  if (command.subcommand === "test") return testReceiver(command, call, terminal);
  const response = await call({ path: "/api/alerts", isExpected: hasReceivers });
  if (response.kind === "failed") return response;
  const snapshot = response.value as AlertsSnapshot;
  if (command.asJson) terminal.write(`${JSON.stringify(snapshot)}\n`);
  else write(terminal, alertLines(snapshot, systemWallClock(), terminal));
  return snapshot.receivers.some(({ failing }) => failing) ? 1 : 0;
}

function alertLines(
  { receivers, silences }: AlertsSnapshot,
  now: number,
  { hasColour }: Pick<Terminal, "hasColour">,
): readonly string[] {
  const rows = receivers.map((receiver): readonly (string | Cell)[] => [
    { text: receiver.name, tone: receiver.failing ? "yellow" : "green" },
    receiver.format,
    receiver.address,
    receivesText(receiver),
    receiver.waiting === 0 ? "" : `${receiver.waiting} waiting`,
    { text: lastTryText(receiver, now), ...(receiver.failing && { tone: "yellow" as const }) },
  ]);
  return [
    receiversSentence(receivers, now),
    ...(rows.length > 0 ? ["", ...renderColumns(rows, { right: [], hasColour })] : []),
    ...(silences.length > 0 ? ["", "Silenced", ...silenceLines(silences, hasColour)] : []),
  ];
}

function silenceLines(silences: AlertsSnapshot["silences"], hasColour: boolean): readonly string[] {
  const rows = silences.map((silence) => [
    silence.id,
    silencedText(silence),
    silenceDetails(silence, systemWallClock()),
  ]);
  return renderColumns(rows, { right: [], hasColour });
}

function write(terminal: Terminal, lines: readonly string[]): void {
  terminal.write(`${lines.join("\n")}\n`);
}

async function testReceiver(
  { receiver, asJson }: { readonly receiver: string; readonly asJson: boolean },
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const response = await call({
    ...{ method: "POST", path: "/api/alerts/test", body: { receiver }, waitMs: testWaitMs },
  });
  if (response.kind === "failed") return response;
  const { kind, answer, tookMs, text } = response.value as AlertTestResult;
  if (asJson) terminal.write(`${JSON.stringify(response.value)}\n`);
  else {
    const said = text === "" ? "" : `: ${text}`;
    const taken = kind === "sent" ? "took the test" : "did not take the test";
    write(terminal, [plainText(`${receiver} ${taken}: ${answer} in ${formatMs(tookMs)}${said}`)]);
  }
  return kind === "sent" ? 0 : 1;
}

export async function runSilence(
  command: Extract<Verb, { verb: "silence" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const { hasColour } = terminal;
  if (command.subcommand === "list") {
    const response = await call({ path: "/api/alerts", isExpected: hasReceivers });
    if (response.kind === "failed") return response;
    const { silences } = response.value as AlertsSnapshot;
    if (command.asJson) terminal.write(`${JSON.stringify({ silences })}\n`);
    else write(terminal, silences.length > 0 ? silenceLines(silences, hasColour) : ["Nothing is silenced."]);
    return 0;
  }
  const response = await call(
    command.subcommand === "end"
      ? { method: "DELETE", path: `/api/silences/${encodeURIComponent(command.id)}` }
      : { method: "POST", path: "/api/silences", body: command.body },
  );
  if (response.kind === "failed") return response;
  const silence = response.value as AlertsSnapshot["silences"][number];
  if (command.subcommand === "end")
    write(terminal, [plainText(`${silence.id} has ended: ${silencedText(silence)}`)]);
  else write(terminal, silenceLines([silence], hasColour));
  return 0;
}
