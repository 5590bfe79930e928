/** What a server that is down does, as the predicate of a title: for one upstream, and for several. */

import type { UpstreamSample } from "./sample.ts";
import { reasonWords, foreignText, statusIn } from "./wording.ts";

export interface Symptom {
  /** "refuses connections" */
  readonly one: string;
  /** "refuse connections" */
  readonly many: string;
  /** The evidence: "Its probe: connection refused." */
  readonly evidence: string;
  /** One word for programs. */
  readonly code: string;
}

interface Predicate {
  readonly pattern: RegExp;
  readonly one: string;
  readonly many: string;
  readonly code: string;
}

/** Reason words of attempts and texts of probes. The first that matches counts. */
const predicates: readonly Predicate[] = [
  {
    pattern: /^(connect_refused|connection refused)$/,
    one: "refuses connections",
    many: "refuse connections",
    code: "connect_refused",
  },
  {
    pattern: /^(connect_timeout|head_timeout|total_timeout|rescued|unresponsive|no response in time)$/,
    one: "does not answer",
    many: "do not answer",
    code: "no_answer",
  },
  {
    pattern: /^(connect_reset|upstream_reset|body_truncated|connection reset)$/,
    one: "cuts connections",
    many: "cut connections",
    code: "reset",
  },
  {
    pattern: /^(host unreachable|network unreachable|name not found)$/,
    one: "cannot be reached",
    many: "cannot be reached",
    code: "unreachable",
  },
];

/** @param upstream that fails its probe, or is ejected */
export function symptomOf(upstream: UpstreamSample): Symptom {
  return upstream.status === "failing" ? probeSymptom(upstream) : ejectionSymptom(upstream);
}

function probeSymptom({ probeDetail }: UpstreamSample): Symptom {
  const detail = foreignText(probeDetail);
  const evidence = detail === "" ? "Its probe fails." : `Its probe: ${detail}.`;
  const known = predicates.find(({ pattern }) => pattern.test(probeDetail));
  if (known) return { ...known, evidence };
  const why = statusIn(probeDetail) ?? detail;
  return { one: `fails its check: ${why}`, many: "fail their check", evidence, code: "probe_failed" };
}

const ejectionReasons: Readonly<Record<string, string | undefined>> = {
  consecutive_failures: "several failures in a row",
  failure_ratio: "too large a share of its requests failed",
  probation_failed: "the trial request failed too",
  unresponsive: "requests wait without an answer",
};

function ejectionSymptom({ ejectionCause, ejectionReason }: UpstreamSample): Symptom {
  const why = ejectionReasons[ejectionReason] ?? "failed requests";
  const detail = ejectionCause === "" ? "" : ` (${reasonWords(ejectionCause)})`;
  const evidence = `Out since ${why}${detail}.`;
  const cause = ejectionCause === "" ? ejectionReason : ejectionCause;
  const known = predicates.find(({ pattern }) => pattern.test(cause));
  if (known) return { ...known, evidence };
  const status = statusIn(cause);
  if (status !== undefined)
    return {
      one: `answers with ${status}`,
      many: `answer with ${status}`,
      evidence,
      code: `status_${status}`,
    };
  return { one: "is out after failures", many: "are out after failures", evidence, code: "ejected" };
}
