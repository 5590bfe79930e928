/** The certificates that the balancer itself shows, and how near their end is: what log, events, metrics and pages go by. */

/** A certificate that clients see. Times are epoch milliseconds. */
export interface ListenerCertificate {
  /** The setting that says where its clients connect. */
  readonly listener: "listen";
  /** File that it was read from; another one may lie there by now. */
  readonly path: string;
  readonly validFrom: number;
  readonly expiresAt: number;
}

/** `early`: not valid yet. `expiring`: nearer to its end than it comes where somebody renews in time. */
export type CertificateStatus = "early" | "valid" | "expiring" | "expired";

/** Days before the end at which it is told of. */
const noticesDays = [1, 7, 30] as const;

/** A number is the notice that was passed last, in days. */
export type CertificateStage = Exclude<CertificateStatus, "expiring"> | (typeof noticesDays)[number];

/**
 * A notice that is a longer part of a certificate's whole life is none of it: whatever renews by itself does so with about a
 * third left, and a warning that comes each time is read by nobody. So 90 days have notices at 7 and 1, a week has one at 1.
 */
const maxNotice = 1 / 4;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** @param now epoch milliseconds */
export function stageOf({ validFrom, expiresAt }: ListenerCertificate, now: number): CertificateStage {
  if (now >= expiresAt) return "expired";
  if (now < validFrom) return "early";
  const most = (expiresAt - validFrom) * maxNotice;
  const passed = noticesDays.find((days) => expiresAt - now <= days * dayMs && days * dayMs <= most);
  return passed ?? "valid";
}

export function certificateStatus(stage: CertificateStage): CertificateStatus {
  return typeof stage === "number" ? "expiring" : stage;
}

/** How it is with one that is not simply valid, as the end of a sentence; undefined for one that is. */
export function describeExpiry(certificate: ListenerCertificate, now: number): string | undefined {
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

/** To the nearest, since a notice of seven days should say seven. */
function timeTo(leftMs: number): string {
  if (leftMs >= 2 * dayMs) return `in ${Math.round(leftMs / dayMs)} days`;
  const hours = Math.round(leftMs / hourMs);
  return hours < 2 ? "within two hours" : `in ${hours} hours`;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
