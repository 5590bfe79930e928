/** Routes of the page of certificates: the page, the same rows as CSV and JSON, and reading the files again. */

import { Elysia } from "elysia";
import { momentText } from "../../lib/time-range.ts";
import { renewalText } from "../../wording/certificates.ts";
import { balancerNow, type DashboardState } from "../../wording/verdict.ts";
import type { AdminClient } from "../admin-client.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { fresh, htmlResponse, httpStatusOf, isForPart, seeOther, stateErrorResponse } from "../responses.ts";
import { type ListedCertificate, listedCertificates } from "./certificate-list.ts";
import { type CertificatesPageProps, renderCertificatesPage, renderCertificatesPart } from "./page.tsx";

export interface CertificatePageOptions {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "events" | "reloadCertificates">;
}

const eventsShown = "10";

/** @param now epoch milliseconds */
const columnsAt = (now: number): CsvColumns<ListedCertificate> => ({
  names: ({ certificate }) => certificate.names.join(" "),
  from: ({ order }) => order?.directory ?? "file",
  source: ({ certificate }) => certificate.source,
  keyType: ({ certificate }) => certificate.keyType,
  validFrom: ({ certificate }) => momentText(certificate.validFrom),
  expiresAt: ({ certificate }) => momentText(certificate.expiresAt),
  status: ({ certificate }) => certificate.status,
  renewal({ certificate, order }) {
    const { text, details } = renewalText(certificate, order, now);
    return [text, ...details].join("; ");
  },
  nextOrder: ({ order }) => (order ? momentText(order.nextOrderAt) : null),
  failedOrders: ({ order }) => order?.failures ?? null,
  fingerprint: ({ certificate }) => certificate.fingerprint,
});

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
        if (!state.snapshot) return stateErrorResponse(state);
        const certificates = listedCertificates(state.snapshot).map(({ certificate, order }) => ({
          ...certificate,
          order: order ?? null,
        }));
        return Response.json({ certificates }, { headers: fresh });
      })

      .get("/certificates.csv", async () => {
        const state = await poller.current();
        if (!state.snapshot) return stateErrorResponse(state);
        const rows = listedCertificates(state.snapshot);
        return csvFile("certificates", columnsAt(balancerNow(state)), rows);
      })
  );
}
