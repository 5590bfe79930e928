/** Alert texts about the balancer as a whole, for the dashboard and the terminal. */

import type { CertificateSnapshot, Snapshot, UpgradeSnapshot } from "../snapshot/snapshot.ts";
import { describeExpiry } from "../tls/expiry.ts";
import { shortageOf } from "../problems/wording.ts";
import { type CertificateOrder, isCertificateOf, orderFailureText } from "./certificates.ts";
import { countWithNoun, formatCount, formatDatedTime, formatSpan } from "./format.ts";

type RefusedReload = NonNullable<Snapshot["configuration"]["refused"]>;

/** Memory in whole MiB, the unit of the event and the log message. */
export function sheddingText({ rssBytes, limitBytes }: Snapshot["memory"]): string {
  const mebibytes = (bytes: number) => formatCount(Math.round(bytes / 2 ** 20));
  const limit = limitBytes === null ? "" : ` of ${mebibytes(limitBytes)}`;
  const usage = `${mebibytes(rssBytes)}${limit} MiB in use`;
  return `Load shedding: memory limit reached, new requests are refused. ${usage}.`;
}

/** What is short since when, what it means, and what to do. */
export function exhaustionText(
  { code, since, failures }: NonNullable<Snapshot["exhaustion"]>,
  now: number,
): string {
  const connects = `${countWithNoun(failures, "connect")} to upstreams failed`;
  const remedy = code === "EMFILE" ? " Raise the limit on open files (ulimit -n, LimitNOFILE)." : "";
  return `The balancer has no ${shortageOf(code)} left (${code}, since ${formatDatedTime(since, now)}): ${connects}. The upstreams are not to blame.${remedy}`;
}

/** Since when, what it means for the operator, and the store's error. */
export function unsavedText({ since, why: cause }: NonNullable<Snapshot["notKept"]>, now: number): string {
  const sentence = cause.replace(/\.?$/, ".");
  return `Changes are not being saved (since ${formatDatedTime(since, now)}) and may be lost on restart. Cause: ${sentence}`;
}

/** When it failed and why, until another one succeeds. */
export function failedUpgradeText({ at, why }: NonNullable<UpgradeSnapshot["failed"]>, now: number): string {
  return `The last upgrade failed (${formatDatedTime(at, now)}), and this process goes on. Cause: ${why.replace(/\.?$/, ".")}`;
}

/**
 * What clients see or will see, and what to do about it; undefined for a certificate without a problem.
 */
export function certificateText(
  certificate: CertificateSnapshot,
  {
    at,
    engine,
    orders = [],
    configuration: { needsRestart },
  }: Pick<Snapshot, "at" | "engine" | "orders" | "configuration">,
): readonly [problem: string, remedy: string] | undefined {
  const { source, status } = certificate;
  const expiry = describeExpiry(certificate, at);
  if (expiry === undefined) return undefined;
  const effect = status === "expiring" ? "" : ": clients refuse to connect";
  const isOrdered = orders.some((order) => isCertificateOf(certificate, order));
  if (isOrdered) return [`The server certificate ${expiry}${effect}.`, "The balancer orders its successor."];
  const remedy = needsRestart.includes(`certificate ${source}`)
    ? `The last reload read a new certificate from ${source}: restart the balancer to use it.`
    : engine === "fetch"
      ? `Replace ${source} and restart the balancer: the fetch engine reads certificates only at start.`
      : `Replace ${source}: the balancer reads it within a minute.`;
  return [`The server certificate ${expiry}${effect}.`, remedy];
}

/** What clients of the host see, why, and what comes next; undefined for a certificate that is as it should be. @param now epoch milliseconds */
export function orderText(
  { host, expiresAt, nextOrderAt, isOrdering, failures, failure }: CertificateOrder,
  now: number,
): readonly [problem: string, remedy: string] | undefined {
  if (!failure && expiresAt !== null) return undefined;
  const next = isOrdering || nextOrderAt <= now ? "now" : `in ${formatSpan(nextOrderAt - now)}`;
  if (!failure)
    return [
      `${host} has a self-signed certificate, which clients reject.`,
      `Its first certificate is ordered ${next}.`,
    ];
  const what =
    expiresAt === null
      ? `No certificate for ${host}, whose clients get a self-signed one`
      : `The certificate of ${host} could not be renewed`;
  const end = expiresAt === null ? "" : ` It ${expiryOf(expiresAt, now)}.`;
  const why = orderFailureText(failure.reason);
  const times = failures > 1 ? ` (${failures} times)` : "";
  return [
    `${what}: ${why}${times}.`,
    `Cause: ${failure.detail.replace(/\.?$/, ".")}${end} Next order ${next}.`,
  ];
}

function expiryOf(expiresAt: number, now: number): string {
  return expiresAt > now
    ? `expires in ${formatSpan(expiresAt - now)}`
    : "has expired: clients refuse to connect";
}

/** The two parts of a sentence; the caller puts the time of the reload between them. */
export function refusedText({ by, problems }: RefusedReload): readonly [before: string, after: string] {
  const after = `was rejected (${countWithNoun(problems.length, "problem")}); the current configuration stays in effect.`;
  return [`The configuration reload requested by ${by} at`, after];
}

export function restartText(needsRestart: readonly string[]): string {
  return `${countWithNoun(needsRestart.length, "changed setting")} ${needsRestart.length === 1 ? "needs" : "need"} a restart.`;
}
