/** Words for certificates: where one comes from, when it ends, and whether its renewal works. */

import type { OrderFailureReason } from "../acme/failure.ts";
import type { CertificateSnapshot, Snapshot } from "../snapshot/snapshot.ts";
import { describeExpiry } from "../tls/expiry.ts";
import { countWithNoun, formatSpan, formatTime, isoTime } from "./format.ts";

export type CertificateOrder = NonNullable<Snapshot["orders"]>[number];

const orderFailureTexts: Readonly<Record<string, string | undefined>> = {
  rate_limited: "the authority limits orders",
  unreachable: "the authority cannot be reached",
  challenge_failed: "the authority could not verify the host",
  order_expired: "the order expired",
  refused: "the authority refused the order",
  certificate_unusable: "the authority issued an unusable certificate",
  clock_skewed: "the clock of this machine may be wrong",
  storage_failed: "the folder of the certificates cannot be used",
  fleet_failed: "the store of the fleet cannot be used",
} satisfies Record<OrderFailureReason, string>;

/** "the authority could not verify the host"; the reason itself if a later version has it. */
export function orderFailureText(reason: string): string {
  return orderFailureTexts[reason] ?? reason;
}

const dayMs = 86_400_000;

/** A file may have a certificate for the same host: the one of the authority is in the folder of its host. */
export function isCertificateOf({ names, source }: CertificateSnapshot, { host }: CertificateOrder): boolean {
  const ownSources = [host, `self-signed for ${host}`];
  return names.includes(host) && (ownSources.includes(source) || source.endsWith(`/${host}/cert.pem`));
}

/** The name that stands for a certificate; its source if it has none. */
export function certificateName({ names, source }: Pick<CertificateSnapshot, "names" | "source">): string {
  return names[0] ?? source;
}

/** "2026-12-08" */
export function dayText(at: number): string {
  return isoTime(at).slice(0, 10);
}

/** Whole days until the end; negative after it. */
export function daysLeft({ expiresAt }: Pick<CertificateSnapshot, "expiresAt">, now: number): number {
  return Math.floor((expiresAt - now) / dayMs);
}

/** The part of its life that is left, 0–1. */
export function lifeLeft({ validFrom, expiresAt }: CertificateSnapshot, now: number): number {
  const life = expiresAt - validFrom;
  return life > 0 ? Math.min(1, Math.max(0, (expiresAt - now) / life)) : 0;
}

/** "api.example.com expires on 2026-12-08, in 9 days", "shop.example.com is valid until 2027-01-09" */
export function validityText(certificate: CertificateSnapshot, now: number): string {
  const end = describeExpiry(certificate, now) ?? `is valid until ${dayText(certificate.expiresAt)}`;
  return `${certificateName(certificate)} ${end}`;
}

export interface RenewalText {
  readonly text: string;
  /** What the authority said, the next order, or the file. */
  readonly details: readonly string[];
}

/** @param order of the authority; undefined for a certificate from a file  @param now epoch milliseconds */
export function renewalText(
  { source, expiresAt }: CertificateSnapshot,
  order: CertificateOrder | undefined,
  now: number,
): RenewalText {
  if (!order) return { text: "From a file: you renew it", details: [source] };
  const { failure, failures, isOrdering, nextOrderAt } = order;
  const what = order.expiresAt === null ? "The first order" : "Renewal";
  const next = isOrdering ? "An order is under way" : nextOrderText(nextOrderAt, now);
  if (failure)
    return {
      text: `${what} failed ${timesText(failures)}: ${orderFailureText(failure.reason)}`,
      details: [next, `Cause: ${failure.detail}`],
    };
  if (order.expiresAt === null)
    return { text: "Self-signed until the authority has issued one", details: [next] };
  if (isOrdering) return { text: "Is being renewed now", details: [] };
  if (expiresAt <= now) return { text: "Is renewed by itself", details: [next] };
  return { text: `Renews by itself from ${dayText(nextOrderAt)}`, details: [] };
}

function timesText(count: number): string {
  return count <= 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}

/** "Next order at 15:40:12 UTC, in 2 h" */
function nextOrderText(at: number, now: number): string {
  if (at <= now) return "Next order now";
  const when = at - now < dayMs ? `at ${formatTime(at)}` : `on ${dayText(at)}`;
  return `Next order ${when}, in ${formatSpan(at - now)}`;
}

export interface CertificateCounts {
  readonly all: number;
  /** Of these, how many need an operator, or will. */
  readonly troubled: number;
}

/** "1 of 7 certificates needs attention" */
export function certificatesHeadline({ all, troubled }: CertificateCounts): string {
  if (all === 0) return "No certificate yet";
  if (troubled === 0)
    return all === 1 ? "The certificate is in order" : `All ${all} certificates are in order`;
  const verb = troubled === 1 ? "needs" : "need";
  return `${troubled} of ${countWithNoun(all, "certificate")} ${verb} attention`;
}
