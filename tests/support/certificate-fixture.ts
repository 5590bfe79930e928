/** Snapshots of a balancer with TLS: certificates of an authority and from files, in order and in trouble. */

import type { CertificateSnapshot, Snapshot } from "../../src/snapshot/snapshot.ts";
import { certificateStatus, stageOf } from "../../src/tls/expiry.ts";
import type { CertificateOrder } from "../../src/wording/certificates.ts";
import { calmSnapshot } from "./fake-admin-api.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { noticeProblem } from "./problem-fixture.ts";

const dayMs = 86_400_000;

interface Given {
  readonly names: readonly string[];
  /** Until its end; negative for one that has ended. */
  readonly days: number;
  readonly lifeDays?: number;
  /** Of its file; the folder of the authority's certificates by default. */
  readonly source?: string;
}

export function certificateOf({ names, days, lifeDays = 90, source }: Given): CertificateSnapshot {
  const [name = ""] = names;
  const expiresAt = Date.now() + days * dayMs + 60_000;
  const validFrom = expiresAt - lifeDays * dayMs;
  return {
    ...{ names, keyType: "ec", validFrom, expiresAt, fingerprint: name.padEnd(64, "0") },
    source: source ?? `/var/lib/evenkeel/acme/${name}/cert.pem`,
    status: certificateStatus(stageOf({ validFrom, expiresAt }, Date.now())),
  };
}

export function orderOf(host: string, change: Partial<CertificateOrder> = {}): CertificateOrder {
  const now = Date.now();
  return {
    ...{ host, directory: "letsencrypt", expiresAt: now + 41 * dayMs, nextOrderAt: now + 11 * dayMs },
    ...{ isOrdering: false, failures: 0, failure: null },
    ...change,
  };
}

function certificateProblem(certificate: string, change: Partial<ServiceProblem>): ServiceProblem {
  const words = change.level === "critical" ? "Every client that checks certificates" : "No client yet";
  return noticeProblem({
    subject: { balancer: "fra-1", peer: null, address: null, pool: null, upstream: null, certificate },
    hits: { words, routes: [], share: null, perSecond: 0, requests: 0 },
    cause: { words: "Its file has not been replaced.", code: "file_old", event: null },
    links: { self: "/?p=p-cert", requests: null, history: null },
    ...change,
  });
}

/** Of the authority: one whose renewal fails, two in order. From files: one in order, one that has ended. */
export function withCertificates(snapshot: Snapshot = calmSnapshot()): Snapshot {
  const now = Date.now();
  const failure = {
    reason: "challenge_failed",
    detail: "no TXT record at _acme-challenge.api.example.com",
    at: now - 4 * 3_600_000,
  };
  return {
    ...snapshot,
    listeners: [
      { name: "plain", host: "0.0.0.0", port: 80, tls: false, protocols: ["http1"] },
      { name: "secure", host: "0.0.0.0", port: 443, tls: true, protocols: ["http1", "http2"] },
    ],
    certificates: [
      certificateOf({ names: ["www.example.com", "example.com", "m.example.com"], days: 63, source: "/etc/evenkeel/www.pem" }),
      certificateOf({ names: ["shop.example.com"], days: 41 }),
      certificateOf({ names: ["api.example.com"], days: 9 }),
      certificateOf({ names: ["static.example.com"], days: 61 }),
      certificateOf({ names: ["legacy.example.com"], days: -1, lifeDays: 365, source: "/etc/evenkeel/legacy.pem" }),
    ], // prettier-ignore
    orders: [
      orderOf("shop.example.com"),
      orderOf("static.example.com", { nextOrderAt: now + 31 * dayMs }),
      orderOf("api.example.com", {
        ...{ expiresAt: now + 9 * dayMs, nextOrderAt: now + 2 * 3_600_000, failures: 2, failure },
      }),
    ],
    problems: [
      certificateProblem("legacy.example.com", {
        ...{ id: "p-1e9a", level: "critical" },
        title: "Clients refuse to connect: the certificate for legacy.example.com ended at 09:14",
      }),
      certificateProblem("api.example.com", {
        title: "The certificate for api.example.com was not renewed: 2 orders failed",
      }),
      ...snapshot.problems,
    ],
  };
}
