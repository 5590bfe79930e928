/** Routes of the page of certificates: the page, the same rows as CSV and JSON, and reading the files again. */

import { Elysia } from "elysia";
import { csvOf } from "../../lib/csv.ts";
import { momentText } from "../../lib/time-range.ts";
import { renewalText } from "../../wording/certificates.ts";
import { balancerNow, type DashboardState } from "../../wording/verdict.ts";
import type { AdminClient } from "../admin-client.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import {
  csvResponse,
  errorResponse,
  fresh,
  htmlResponse,
  httpStatusOf,
  isForPart,
  seeOther,
} from "../responses.ts";
import { type ListedCertificate, listedCertificates } from "./certificate-list.ts";
import { type CertificatesPageProps, renderCertificatesPage, renderCertificatesPart } from "./page.tsx";

export interface CertificatePageOptions {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "events" | "reloadCertificates">;
}

const eventsShown = "10";

const columns = [
  ...["names", "from", "source", "keyType", "validFrom", "expiresAt", "status", "renewal"],
  ...["nextOrder", "failedOrders", "fingerprint"],
];

export function certificatePages({ poller, admin }: CertificatePageOptions) {
  const propsOf = async (state: DashboardState): Promise<CertificatesPageProps> => ({
    state,
    events: await admin.events(new URLSearchParams({ kind: "certificate", limit: eventsShown })),
  });

  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/certificates", async ({ request }) => {
        const page = await propsOf(await poller.current());
        if (isForPart(request)) return htmlResponse(renderCertificatesPart(page));
        const { snapshot, outage } = page.state;
        return htmlResponse(renderCertificatesPage(page), !snapshot && outage ? httpStatusOf(outage) : 200);
      })

      .post(
        "/certificates/reload",
        async () => {
          const rotation = await admin.reloadCertificates();
          const page = await propsOf(await poller.renewed());
          const status = "error" in rotation ? httpStatusOf(rotation.error) : 200;
          return htmlResponse(renderCertificatesPage({ ...page, rotation }), status);
        },
        { parse: "none" },
      )
      // The address of the form, which stays in the address bar.
      .get("/certificates/reload", () => seeOther("/certificates"))

      .get("/certificates.json", async () => {
        const state = await poller.current();
        const { snapshot, outage } = state;
        if (!snapshot) return outage ? errorResponse(outage) : Response.json({ certificates: [] });
        const certificates = listedCertificates(snapshot).map(({ certificate, order }) => ({
          ...certificate,
          order: order ?? null,
        }));
        return Response.json({ certificates }, { headers: fresh });
      })

      .get("/certificates.csv", async () => {
        const state = await poller.current();
        const { snapshot, outage } = state;
        if (!snapshot && outage) return errorResponse(outage);
        const rows = snapshot ? listedCertificates(snapshot) : [];
        return csvResponse(
          "certificates",
          csvOf(
            columns,
            rows.map((row) => cellsOf(row, balancerNow(state))),
          ),
        );
      })
  );
}

function cellsOf({ certificate, order }: ListedCertificate, now: number) {
  const { names, source, keyType, validFrom, expiresAt, status, fingerprint } = certificate;
  const { text, details } = renewalText(certificate, order, now);
  return [
    ...[names.join(" "), order?.directory ?? "file", source, keyType],
    ...[momentText(validFrom), momentText(expiresAt), status, [text, ...details].join("; ")],
    ...[order ? momentText(order.nextOrderAt) : null, order?.failures ?? null, fingerprint],
  ];
}
