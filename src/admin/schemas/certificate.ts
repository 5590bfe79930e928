/** Schemas of certificates: the ones that listeners present, and the ones that an authority issues. */

import { Type } from "@sinclair/typebox";
import type { CertificateStatus } from "../../tls/expiry.ts";
import { boolean, count, enumOf, list, nullable, oneOf, textSchema, timestamp } from "./parts.ts";

export const certificateSchema = Type.Object(
  {
    source: textSchema("File that it was read from."),
    names: list(textSchema("DNS name, or a wildcard such as `*.example.com`."), "Names that it is for."),
    keyType: textSchema("Kind of key: `ec`, `rsa` …"),
    fingerprint: textSchema("SHA-256 of the certificate, hexadecimal."),
    validFrom: timestamp("Start of its validity."),
    expiresAt: timestamp("End of its validity."),
    status: oneOf(
      enumOf<CertificateStatus>({ early: true, valid: true, expiring: true, expired: true }),
      "`expiring` from 30, 7 or 1 days before the end: the largest of these that is at most a quarter of its lifetime.",
    ),
  },
  { title: "Certificate" },
);

export const orderSchema = Type.Object(
  {
    host: textSchema("Host that the certificate is for."),
    directory: textSchema("Directory of the authority: its name in the configuration, or its URL."),
    expiresAt: nullable(
      Type.Number(),
      "Epoch milliseconds at which the certificate in use ends; null while a self-signed one is presented.",
    ),
    nextOrderAt: timestamp("Time of the first or next order, or of the renewal."),
    isOrdering: boolean("An order is under way."),
    failures: count("Failed orders in a row."),
    failure: nullable(
      Type.Object({
        reason: textSchema("Reason word: `rate_limited`, `challenge_failed`."),
        detail: textSchema("What the authority or the system said."),
        at: timestamp("Time of the failure."),
      }),
      "The last order, if it failed; null otherwise.",
    ),
  },
  { title: "CertificateOrder" },
);
