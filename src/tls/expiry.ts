/** Expiry of the certificates that the balancer presents to clients, for log, events, metrics and pages. */

import type { CertificateFacts } from "./certificate-pair.ts";

/** Times are epoch milliseconds. */
export type ValidityPeriod = Pick<CertificateFacts, "validFrom" | "expiresAt">;

/** `early`: not valid yet. `expiring`: closer to its end than a certificate that is renewed in time gets. */
export type CertificateStatus = "early" | "valid" | "expiring" | "expired";

/** Days before expiry at which a notice is due. */
const noticesDays = [1, 7, 30] as const;

/** A number is the last notice that was due, in days. */
export type CertificateStage = Exclude<CertificateStatus, "expiring"> | (typeof noticesDays)[number];

/**
 * Largest share of a certificate's lifetime that a notice may come before its end. Automatic renewal happens with about a
 * third left, and a warning before each renewal would be ignored. So 90 days have notices at 7 and 1, a week has one at 1.
 */
const maxNoticeShare = 1 / 4;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** @param now epoch milliseconds */
export function stageOf({ validFrom, expiresAt }: ValidityPeriod, now: number): CertificateStage {
  if (now >= expiresAt) return "expired";
  if (now < validFrom) return "early";
  const maxNoticeMs = (expiresAt - validFrom) * maxNoticeShare;
  const notice = noticesDays.find((days) => expiresAt - now <= days * dayMs && days * dayMs <= maxNoticeMs);
  return notice ?? "valid";
}

export function certificateStatus(stage: CertificateStage): CertificateStatus {
  return typeof stage === "number" ? "expiring" : stage;
}

/** "expires on 2030-06-30, in 7 days", the end of a sentence; undefined for a valid certificate. */
export function describeExpiry(certificate: ValidityPeriod, now: number): string | undefined {
  const { validFrom, expiresAt } = certificate;
  switch (certificateStatus(stageOf(certificate, now))) {
    case "expired":
      return `expired on ${dayOf(expiresAt)}`;
    case "early":
      return `is not valid before ${dayOf(validFrom)}`;
    case "expiring":
      return `expires on ${dayOf(expiresAt)}, ${timeTo(expiresAt - now)}`;
    case "valid":
      return undefined;
  }
}

/** Rounds to the nearest unit, so that the notice at seven days shows seven. */
function timeTo(leftMs: number): string {
  if (leftMs >= 2 * dayMs) return `in ${Math.round(leftMs / dayMs)} days`;
  const hours = Math.round(leftMs / hourMs);
  return hours < 2 ? "within two hours" : `in ${hours} hours`;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
