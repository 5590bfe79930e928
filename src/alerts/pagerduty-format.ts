/** An alert as an event of PagerDuty, version 2 ("Events API v2: Send an alert event"): one incident for each problem. */

import type { Alert, AlertFormatContext, AlertMessage } from "../extension/alert-format.ts";
import type { ProblemLevel } from "../problems/problem.ts";

const severities: Readonly<Record<ProblemLevel, "critical" | "warning" | "info">> = {
  critical: "critical",
  warning: "warning",
  notice: "info",
};

/** Limits of the API. */
const maxSummary = 1_024;
const maxKey = 255;

export function pagerDutyMessage(alert: Alert, { secret = "" }: AlertFormatContext): AlertMessage {
  const { type, key, balancer, url, problem } = alert;
  const { kind, level, title, since, subject, hits, cause, do: advice, measure } = problem;
  const common = {
    routing_key: secret,
    dedup_key: `evenkeel/${key.slice(0, key.lastIndexOf("/"))}`.slice(0, maxKey),
  };
  if (type === "problem.closed") return { body: JSON.stringify({ ...common, event_action: "resolve" }) };
  const { pool, upstream, certificate } = subject;
  const component = upstream ?? certificate ?? pool;
  return {
    body: JSON.stringify({
      ...common,
      event_action: "trigger",
      payload: {
        summary: title.slice(0, maxSummary),
        source: balancer,
        severity: severities[level],
        timestamp: since,
        ...(component !== null && { component }),
        ...(pool !== null && { group: pool }),
        class: kind,
        custom_details: {
          hits: hits.words,
          routes: hits.routes,
          cause: cause.words,
          do: advice.words,
          command: advice.command,
          measure,
        },
      },
      client: "Evenkeel",
      ...(url !== null && { client_url: url, links: [{ href: url, text: "Dashboard" }] }),
    }),
  };
}
