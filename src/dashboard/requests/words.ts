/** What one request came to, in a word, a tone or a line: the same on every page. */

import type { AttemptRecord, RequestRecord } from "../../proxy/record.ts";
import { formatCount, formatMs, isoTime, nothing } from "../../wording/format.ts";

/** `calm`: nothing to see. `warn`: the client was told no, or it took a detour. `bad`: it failed. */
export type RequestTone = "calm" | "good" | "warn" | "bad";

export function requestTone({ status, isClientGone, retried }: RequestRecord): RequestTone {
  if (isClientGone) return "warn";
  if (status === 0 || status >= 500) return "bad";
  if (status >= 400 || retried.length > 0) return "warn";
  return "good";
}

/** "200", "client gone", or that there was no answer. */
export function statusText({ status, isClientGone }: RequestRecord): string {
  if (status > 0) return String(status);
  return isClientGone ? "gone" : "none";
}

/** "shop.example/cart?id=7"; what has no acceptable head says so. */
export function addressText({ host, target, method, clientAddress }: RequestRecord): string {
  if (method === "") return `no acceptable request, from ${clientAddress}`;
  return target.startsWith("/") ? host + target : target;
}

/** Who answered, or was asked last. */
export function lastUpstream({ attempts }: RequestRecord): string | undefined {
  return (attempts.findLast(({ outcome }) => outcome === "response") ?? attempts.at(-1))?.upstream;
}

/** What is worth a look, shortest first: "retried: connect_refused", "queue_full", "client gone". */
export function remarksOf(request: RequestRecord): readonly string[] {
  const { retried, reason, complaint, isClientGone, queuedMs } = request;
  const tries = retried.length > 1 ? ` ${formatCount(retried.length)}×` : "";
  return [
    ...(retried.length > 0 ? [`retried${tries}: ${[...new Set(retried)].join(", ")}`] : []),
    ...(reason !== null && !retried.includes(reason) ? [complaint ? `${reason}: ${complaint}` : reason] : []),
    ...(isClientGone && reason !== null ? [] : isClientGone ? ["client gone"] : []),
    ...(queuedMs >= 1 ? [`queued ${formatMs(queuedMs)}`] : []),
  ];
}

/** "14:03:12.345": two requests of one second are told apart. */
export function formatInstant(at: number): string {
  return isoTime(at).slice(11, 23);
}

/** Bytes: 0 B, 512 B, 1.4 kB, 12 MB */
export function formatBytes(bytes: number): string {
  const space = "\u00a0";
  if (!Number.isFinite(bytes)) return nothing;
  if (bytes < 1_000) return `${Math.round(bytes)}${space}B`;
  const units = ["kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes / 1_000, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${space}${units[unit]}`;
}

/** "answered 200", "failed while connecting: connect_refused", "cancelled" */
export function outcomeText({ outcome, status, phase, reason }: AttemptRecord): string {
  if (outcome === "cancelled") return "cancelled";
  if (outcome === "response") return `answered ${status}`;
  const when = phase === null ? "failed" : phaseText[phase];
  return `${when ?? "failed"}: ${reason ?? "unknown"}`;
}

const phaseText: Readonly<Record<string, string | undefined>> = {
  connect: "failed while connecting",
  head: "failed before the answer",
  body: "failed during the answer",
};
