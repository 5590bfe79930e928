/** What concerns the balancer as a whole and must not be overlooked, in words for page and terminal. */

import { describeExpiry } from "../tls/expiry.ts";
import type { CertificateSnapshot, Snapshot } from "../snapshot/snapshot.ts";
import { formatCount, formatTime } from "./format.ts";

type Refused = NonNullable<Snapshot["configuration"]["refused"]>;

/** In whole MiB, as the event and the log have it. */
export function sheddingText({ rssBytes, limitBytes }: Snapshot["memory"]): string {
  const mebibytes = (bytes: number) => formatCount(Math.round(bytes / 2 ** 20));
  const most = limitBytes === null ? "" : ` of ${mebibytes(limitBytes)}`;
  const taken = `${mebibytes(rssBytes)}${most} MiB are taken`;
  return `LOAD SHEDDING: memory is short, so new requests are refused. ${taken}.`;
}

/** Since when, and what of it: orders are carried out all the same where they can be. */
export function unsavedText({ since, why }: NonNullable<Snapshot["notKept"]>): string {
  const cause = why.replace(/\.?$/, ".");
  return `NOT KEPT since ${formatTime(since)}: what is set or recorded may not survive a restart. ${cause}`;
}

/**
 * What clients see or will see, and what to do; undefined for a certificate that is simply valid.
 * @param now epoch milliseconds by the balancer's clock
 */
export function certificateText(
  certificate: CertificateSnapshot,
  needsRestart: readonly string[],
  now: number,
): readonly [what: string, deed: string] | undefined {
  const { listener, path, status } = certificate;
  const text = describeExpiry(certificate, now);
  if (text === undefined) return undefined;
  const outcome = status === "expiring" ? "" : ": they refuse to connect";
  const undo = needsRestart.includes(`${listener}.tls.cert`)
    ? `Another one was read from ${path} at the last reload: restart the balancer to show it.`
    : `Put a new one into ${path} and restart the balancer, which reads it at the start only.`;
  return [`The certificate that clients see ${text}${outcome}.`, undo];
}

/** What was refused, and what follows: in between stands when. */
export function refusedText({ by, problems }: Refused): readonly [what: string, outcome: string] {
  const outcome = `was refused (${countOf(problems.length, "problem")}); the old one counts.`;
  return [`The configuration that ${by} asked for at`, outcome];
}

export function restartText(needsRestart: readonly string[]): string {
  return `${countOf(needsRestart.length, "changed setting")} will count after a restart.`;
}

function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
