/** Problems of certificates: ended, not valid yet, near their end, or not renewed. */

import { advice, balancerAct, readAct } from "./advice.ts";
import type { Detection } from "./detection.ts";
import type { Description, DescriptionContext, Finding } from "./finding.ts";
import type { ProblemCause, ProblemKind, ProblemLevel } from "./problem.ts";
import type { CertificateSample, OrderSample } from "./sample.ts";
import { clockText, countedNoun, foreignText, spanText } from "./wording.ts";

export const certificateProblemKinds = ["certificate"] as const satisfies readonly ProblemKind[];

/** The first order takes some seconds. */
const firstOrderMs = 60_000;

/** Failed renewals in a row: one may be bad luck, and there is time. */
const maxFailures = 2;

export function detectCertificates(detection: Detection): void {
  const { certificates, orders } = detection.sample;
  const failed = new Map(orders.filter(({ detail }) => detail !== "").map((order) => [order.host, order]));
  const shown = new Set<string>();
  for (const certificate of certificates) {
    const level = levelOf(certificate.stage);
    if (level === undefined) continue;
    shown.add(certificate.host);
    detection.report(certificateFinding(certificate, level, failed.get(certificate.host)));
  }
  for (const order of orders) {
    const finding = orderFinding(order);
    // One line for one certificate: the cause of the other problem has the authority's words.
    if (finding && !shown.has(order.host)) detection.report(finding);
  }
}

function levelOf(stage: CertificateSample["stage"]): ProblemLevel | undefined {
  if (stage === "valid") return undefined;
  if (stage === "expired" || stage === "early") return "critical";
  return stage === 30 ? "notice" : "warning";
}

function certificateFinding(
  certificate: CertificateSample,
  level: ProblemLevel,
  order: OrderSample | undefined,
): Finding {
  const { host, source, isManaged } = certificate;
  return finding(
    { host, level },
    {
      describe: ({ at }) => ({
        ...common(level),
        title: titleOf(certificate, at),
        cause: order
          ? authorityWords(order)
          : isManaged
            ? { words: "Its successor is ordered, and has not come yet.", code: "ordering", event: null }
            : {
                words: `The file ${foreignText(source)} has not been replaced.`,
                code: "file_old",
                event: null,
              },
        do: isManaged
          ? advice(
              readAct("What the authority said", "evenkeel events"),
              "The balancer orders its successor by itself. Mend what the authority names.",
            )
          : advice(
              balancerAct("certificates", "Read the files again", null),
              `Replace ${foreignText(source)}: the balancer reads it within a minute.`,
            ),
        measure: {
          value: Math.max(0, Math.floor((certificate.expiresAt - at) / 86_400_000)),
          peers: null,
          enter: 7,
          leave: 7,
          window: "days",
          n: null,
        },
      }),
    },
  );
}

function titleOf({ stage, host, validFrom, expiresAt }: CertificateSample, at: number): string {
  if (stage === "expired")
    return `Clients refuse to connect: the certificate for ${host} ended at ${clockText(expiresAt, at)}`;
  if (stage === "early")
    return `Clients refuse to connect: the certificate for ${host} is not valid before ${clockText(validFrom, at)}`;
  return `The certificate for ${host} ends in ${spanText(expiresAt - at)}`;
}

function orderFinding(order: OrderSample): Finding | undefined {
  const { host, isPlaceholder, failures } = order;
  if (!isPlaceholder && failures < maxFailures) return undefined;
  const level = isPlaceholder ? "critical" : "notice";
  return finding(
    { host, level },
    {
      ...(isPlaceholder && failures === 0 && { openAfterMs: firstOrderMs }),
      describe: () => ({
        ...common(level),
        title: isPlaceholder
          ? `Clients refuse to connect: there is no certificate for ${host} yet`
          : `The certificate for ${host} was not renewed: ${countedNoun(failures, "order")} failed`,
        cause: authorityWords(order),
        do: advice(
          readAct("What the authority said", "evenkeel events"),
          "The balancer tries again by itself. Mend what the authority names.",
        ),
        measure: null,
      }),
    },
  );
}

function authorityWords({ detail }: OrderSample): ProblemCause {
  if (detail === "") return { words: "The first order is not done yet.", code: "ordering", event: null };
  return { words: `The authority: ${foreignText(detail)}`, code: "order_failed", event: null };
}

function common(level: ProblemLevel): Pick<Description, "hits" | "links"> {
  const words = level === "critical" ? "Every client that checks certificates" : "No client yet";
  return {
    hits: { words, routes: [], share: null, perSecond: 0, requests: 0 },
    links: { requests: null, history: null },
  };
}

function finding(
  { host, level }: { readonly host: string; readonly level: ProblemLevel },
  more: {
    readonly openAfterMs?: number;
    readonly describe: (context: DescriptionContext) => Description;
  },
): Finding {
  return {
    ...{ kind: "certificate", key: host, certificate: host, pool: null, upstream: null },
    ...{ verdict: "enter", level, failing: 0, ...more },
  };
}
