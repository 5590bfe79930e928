/** The certificates of a balancer, each with its order at an authority and its problem; the ones that need attention first. */

import { isOpenProblem, type ServiceProblem, severityOf } from "../../problems/problem.ts";
import type { CertificateSnapshot, Snapshot } from "../../snapshot/snapshot.ts";
import { type CertificateOrder, certificateName, isCertificateOf } from "../../wording/certificates.ts";
import { levelTones, type MarkTone } from "../layout/tone-mark.tsx";

export interface ListedCertificate {
  readonly certificate: CertificateSnapshot;
  /** Undefined for one from a file. */
  readonly order: CertificateOrder | undefined;
  readonly problem: ServiceProblem | undefined;
  readonly tone: MarkTone;
}

/** The open problems of certificates, the worst first. */
export function certificateProblems({ problems = [] }: Partial<Snapshot>): readonly ServiceProblem[] {
  return problems.filter((problem) => problem.kind === "certificate" && isOpenProblem(problem));
}

export function listedCertificates(snapshot: Snapshot): readonly ListedCertificate[] {
  const { certificates = [], orders = [] } = snapshot;
  const problems = new Map(certificateProblems(snapshot).map((each) => [each.subject.certificate, each]));
  // Several entries of the configuration may name one file.
  const distinct = new Map(certificates.map((each) => [`${each.fingerprint} ${each.source}`, each]));
  return [...distinct.values()]
    .map((certificate) => {
      const order = orders.find((each) => isCertificateOf(certificate, each));
      const problem = problems.get(certificateName(certificate));
      return { certificate, order, problem, tone: toneOf({ certificate, order, problem }) };
    })
    .toSorted(
      (one, other) => rankOf(one) - rankOf(other) || one.certificate.expiresAt - other.certificate.expiresAt,
    );
}

function toneOf({ certificate, order, problem }: Omit<ListedCertificate, "tone">): MarkTone {
  if (problem) return levelTones[problem.level];
  const { status } = certificate;
  if (order?.expiresAt === null || status === "expired" || status === "early") return "bad";
  if (status === "expiring") return "warn";
  return order?.failure ? "calm" : "good";
}

const toneRanks: Readonly<Record<MarkTone, number>> = { bad: 0, warn: 1, calm: 2, good: 3 };

function rankOf({ tone, problem }: ListedCertificate): number {
  return problem ? severityOf(problem.level) : toneRanks[tone];
}

/** What a screen reader says of the mark. */
export const certificateToneWords: Readonly<Record<MarkTone, string>> = {
  bad: "Refused by clients",
  warn: "Ends soon",
  calm: "Needs attention",
  good: "In order",
};
