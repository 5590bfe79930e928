/** The metric of the balancer's own certificates: apart from the table, because one that serves plain HTTP has none. */

import type { Family } from "./prometheus.ts";

export interface CertificateFigures {
  readonly listener: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export function certificateFamilies(
  certificates: readonly CertificateFigures[] | undefined,
): readonly Family[] {
  if (!certificates) return [];
  return [
    {
      name: "evenkeel_certificate_expiry_timestamp_seconds",
      help: "When the certificate that clients see ends, in seconds since 1970; the file may hold another one by now, which counts after a restart.",
      type: "gauge",
      labels: ["listener"],
      samples: () =>
        certificates.map(({ listener, expiresAt }) => ({ labels: { listener }, value: expiresAt / 1_000 })),
    },
  ];
}
