/** The card of recent failed requests on an upstream's page, read with the viewer's credentials. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { anchorOf, attribute } from "../responses.ts";
import { markup } from "../layout/shell.tsx";
import { requestsErrorSentence } from "./list-page.tsx";
import { RequestRows } from "./row.tsx";
import type { RequestList } from "../../requests/recent-requests.ts";
import { requestsUrl, type RequestFilterState } from "./filter.tsx";

export const failingShown = 10;

export function failingAt(upstream: string): RequestFilterState {
  return { kind: "failed", filter: { upstream }, before: undefined };
}

interface CardProps {
  readonly upstream: string;
  readonly result: AdminResult<RequestList>;
}

/** The page's updates skip the card: it refreshes itself, less often. */
export function FailingCard(props: CardProps): JSX.Element {
  const { upstream } = props;
  const query = new URLSearchParams({ upstream });
  return (
    <section
      class="card failing"
      id={anchorOf("failing", upstream)}
      hx-morph-skip
      aria-labelledby="failing-name"
      hx-get={attribute(`/requests/failing?${query}`)}
      hx-trigger="every 5s"
      hx-swap="innerMorph"
    >
      <CardContent {...props} />
    </section>
  );
}

/** Placeholder for the card in the updates of the page. */
export function FailingStub({ upstream }: { readonly upstream: string }): JSX.Element {
  return <section class="card failing" id={anchorOf("failing", upstream)} hx-morph-skip></section>;
}

export function renderFailing(props: CardProps): string {
  return markup(<CardContent {...props} />);
}

function CardContent({ upstream, result }: CardProps): JSX.Element {
  const requests = "value" in result ? result.value.requests : [];
  return (
    <>
      <header class="card-head">
        <h2 id="failing-name">Recent failures</h2>
        <a href={attribute(requestsUrl(failingAt(upstream)))}>Show all</a>
      </header>
      {"error" in result ? (
        <p class="empty" safe>
          {requestsErrorSentence(result.error)}
        </p>
      ) : requests.length === 0 ? (
        <p class="empty">No recent failures.</p>
      ) : (
        <ol class="requests">
          <RequestRows requests={requests} />
        </ol>
      )}
    </>
  );
}
