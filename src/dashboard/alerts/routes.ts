/** Routes of the page of alerts: the page and its files, a test of a receiver, and silences. All forms are plain ones. */

import { Elysia } from "elysia";

import type { SentAlert } from "../../alerts/alerts-snapshot.ts";
import { momentText } from "../../lib/time-range.ts";
import { adminApiErrorSentence, balancerNow } from "../../wording/verdict.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import { errorResponse, fresh, htmlResponse, httpStatusOf, seeOther } from "../responses.ts";
import type { AlertClient } from "./alert-client.ts";
import { type AlertsPageProps, renderAlertsPage } from "./page.tsx";
import { emptySilence, type SilenceForm } from "./silences.tsx";

export interface AlertPageOptions {
  readonly poller: SnapshotPoller;
  readonly alerts: AlertClient;
}

const rawBody = { parse: "none" } as const;
const fieldsOf = async (request: Request) => new URLSearchParams(await request.text());

/** Of what was sent, and waits. */
const columns: CsvColumns<SentAlert> = {
  time: ({ at }) => momentText(at),
  receiver: ({ receiver }) => receiver,
  change: ({ type }) => type,
  state: ({ state }) => state,
  tries: ({ tries }) => tries,
  endedAt: ({ endedAt }) => (endedAt === null ? null : momentText(endedAt)),
  answer: ({ answer }) => answer,
  problem: ({ problem }) => problem.id,
  kind: ({ problem }) => problem.kind,
  level: ({ problem }) => problem.level,
  title: ({ problem }) => problem.title,
  pool: ({ problem }) => problem.subject.pool,
  upstream: ({ problem }) => problem.subject.upstream,
};

export function alertPages({ poller, alerts }: AlertPageOptions) {
  const page = async (
    more: Pick<AlertsPageProps, "test" | "refused" | "problem"> = {},
    status?: number,
  ): Promise<Response> => {
    const [state, result] = await Promise.all([poller.current(), alerts.read()]);
    const pools = state.snapshot?.pools ?? [];
    const shown = renderAlertsPage({
      ...{ result, now: balancerNow(state), balancer: state.snapshot },
      pools: pools.map(({ name }) => name),
      upstreams: pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id)),
      ...more,
    });
    return htmlResponse(shown, status ?? ("error" in result ? httpStatusOf(result.error) : 200));
  };
  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/alerts", () => page())
      .get("/alerts.json", async () => {
        const result = await alerts.read();
        return "value" in result
          ? Response.json(result.value, { headers: fresh })
          : errorResponse(result.error);
      })
      .get("/alerts.csv", async () => {
        const result = await alerts.read();
        return "value" in result
          ? csvFile("alerts", columns, result.value.sent)
          : errorResponse(result.error);
      })
      .post(
        "/alerts/test",
        async ({ request }) => {
          const test = await alerts.test((await fieldsOf(request)).get("receiver") ?? "");
          return page({ test }, "error" in test ? httpStatusOf(test.error) : 200);
        },
        rawBody,
      )
      .post(
        "/alerts/silences",
        async ({ request }) => {
          const form = silenceIn(await fieldsOf(request));
          const given = Object.entries(form).filter(([, text]) => text !== "");
          const result = await alerts.silence(Object.fromEntries(given) as Readonly<Record<string, string>>);
          if ("value" in result) return seeOther("/alerts#silences");
          const why = adminApiErrorSentence(result.error);
          return page({ refused: { form, why } }, httpStatusOf(result.error));
        },
        rawBody,
      )
      .post(
        "/alerts/silences/end",
        async ({ request }) => {
          const result = await alerts.endSilence((await fieldsOf(request)).get("id") ?? "");
          if ("value" in result) return seeOther("/alerts#silences");
          return page({ problem: adminApiErrorSentence(result.error) }, httpStatusOf(result.error));
        },
        rawBody,
      )
      // The addresses of forms, which stay in the address bar.
      .get("/alerts/test", () => seeOther("/alerts"))
      .get("/alerts/silences", () => seeOther("/alerts"))
      .get("/alerts/silences/end", () => seeOther("/alerts"))
  );
}

/** Texts as they were typed, without spaces around them. */
function silenceIn(fields: URLSearchParams): SilenceForm {
  const text = (name: keyof SilenceForm) => (fields.get(name) ?? emptySilence[name]).trim();
  return {
    kind: text("kind"),
    pool: text("pool"),
    upstream: text("upstream"),
    for: text("for"),
    reason: text("reason"),
  };
}
