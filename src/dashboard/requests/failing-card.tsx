/** The last requests that failed at one upstream, on its page: asked for with the right of whoever looks. */
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
  readonly told: AdminResult<RequestList>;
}

/** Morphing leaves it alone: it renews itself, more seldom than the rest of the page. */
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
      <Inside {...props} />
    </section>
  );
}

/** Stands for the card in what is sent after the page. */
export function FailingStub({ upstream }: { readonly upstream: string }): JSX.Element {
  return <section class="card failing" id={anchorOf("failing", upstream)} hx-morph-skip></section>;
}

export function renderFailing(props: CardProps): string {
  return markup(<Inside {...props} />);
}

function Inside({ upstream, told: result }: CardProps): JSX.Element {
  const requests = "value" in result ? result.value.requests : [];
  return (
    <>
      <header class="card-head">
        <h2 id="failing-name">Last failing requests</h2>
        <a href={attribute(requestsUrl(failingAt(upstream)))}>All of them</a>
      </header>
      {"error" in result ? (
        <p class="empty" safe>
          {requestsErrorSentence(result.error)}
        </p>
      ) : requests.length === 0 ? (
        <p class="empty">None that is remembered.</p>
      ) : (
        <ol class="requests">
          <RequestRows requests={requests} />
        </ol>
      )}
    </>
  );
}
