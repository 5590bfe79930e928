/** The routes that an upstream serves, by the kept requests of the time of the page. */
/** @jsxImportSource @kitajs/html */

import type { KeptRoute, OutcomeCounts } from "../../requests/request-store.ts";
import type { RequestSummary } from "../../requests/requests.ts";
import { countWithNoun, formatCount } from "../../wording/format.ts";
import type { AdminResult } from "../admin-client.ts";
import { markup } from "../layout/shell.tsx";
import { pageOf } from "../location.ts";
import { type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";
import type { RouteNames } from "../route-list/route-view.ts";

export interface ServedProps {
  /** The time of the page with the upstream. */
  readonly subject: PageRange;
  readonly result: AdminResult<RequestSummary>;
  readonly names: RouteNames;
}

interface CardProps {
  readonly id: string;
  /** Undefined in live fragments: the page keeps what it has. */
  readonly served: ServedProps | undefined;
}

/** Excluded from morphing. Of a time that ends now the card is read again, less often than the rest of the page. */
export function ServedCard({ id, served }: CardProps): JSX.Element {
  const refresh = served?.subject.isLive
    ? {
        "hx-get": attribute(rangeAddress(`${pageOf(id)}/served`, { ...served.subject, upstream: undefined })),
        "hx-trigger": "every 10s",
        "hx-swap": "innerMorph",
      }
    : {};
  return (
    <section class="card" id="served" hx-morph-skip aria-labelledby="served-name" {...refresh}>
      {served ? <Content {...served} /> : ""}
    </section>
  );
}

export function renderServed(props: ServedProps): string {
  return markup(<Content {...props} />);
}

function Content({ subject, result, names }: ServedProps): JSX.Element {
  const { routes = [], routeCount = 0, counts } = "value" in result ? result.value : {};
  const kept = sumOf(counts);
  const whole = { ...subject, at: undefined };
  const address = (more: Readonly<Record<string, string>>) => rangeAddress("/requests", whole, { more });
  return (
    <>
      <header class="card-head">
        <h2 id="served-name">Who it serves</h2>
        <p class="quiet" safe>
          {kept > 0 ? `of ${countWithNoun(kept, "request")} kept in this time` : "by route"}
        </p>
      </header>
      {"error" in result ? (
        <p class="empty" safe>{`${result.error.message}.`}</p>
      ) : routes.length === 0 ? (
        <p class="empty">No requests are kept of this time.</p>
      ) : (
        <>
          <ul class="alike">
            {routes.map((each) => (
              <ServedRoute kept={each} names={names} address={address} />
            ))}
          </ul>
          {routeCount > routes.length ? (
            <p class="quiet card-note" safe>{`and ${formatCount(routeCount - routes.length)} more routes`}</p>
          ) : (
            ""
          )}
          <p class="quiet card-note">
            What fails or is slow is kept more often than the rest. All traffic of a route is on the page of{" "}
            <a href="/routes">routes</a>.
          </p>
        </>
      )}
    </>
  );
}

interface RouteProps extends Pick<ServedProps, "names"> {
  readonly kept: KeptRoute;
  /** The address of the requests with a further filter. */
  readonly address: (more: Readonly<Record<string, string>>) => string;
}

function ServedRoute({ kept: { route, counts }, names, address }: RouteProps): JSX.Element {
  const filter: Record<string, string> = route === null ? {} : { route };
  const name = route === null ? "no route" : (names.get(route) ?? route);
  return (
    <li>
      <span class="alike-count" safe>
        {formatCount(sumOf(counts))}
      </span>
      <span class="alike-text">
        <a href={attribute(address({ which: "kept", ...filter }))} safe>
          {name}
        </a>
      </span>
      <span class="endings">
        {endings.map(([outcome, word, tone]) =>
          counts[outcome] === 0 ? (
            ""
          ) : (
            <a
              class="ending"
              data-tone={tone}
              href={attribute(address({ outcome, ...filter }))}
              aria-label={attribute(`${formatCount(counts[outcome])} ${word}, ${name}`)}
              safe
            >
              {`${formatCount(counts[outcome])} ${word}`}
            </a>
          ),
        )}
      </span>
    </li>
  );
}

const endings = [
  ["failed", "failed", "bad"],
  ["retried", "retried", "warn"],
  ["slow", "slow", "warn"],
] as const;

function sumOf(counts: OutcomeCounts | undefined): number {
  return Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
}
