/** What each balancer says of upstreams: as a table for all that are not well, and as a card for one. */
/** @jsxImportSource @kitajs/html */

import type { FleetSnapshot, SeenFromSnapshot, SeenSnapshot } from "../../snapshot/fleet-snapshot.ts";
import { conclusionText, seenFromText } from "../../wording/fleet.ts";
import { countWithNoun, formatCount } from "../../wording/format.ts";
import { Glyph } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { attribute } from "../responses.ts";

/** The page shows the worst. The admin API has more. */
const maxRows = 50;

export function SeenTable({ fleet }: { readonly fleet: FleetSnapshot }): JSX.Element {
  const { seen, seenOmitted, peers } = fleet;
  const more = Math.max(0, seen.length - maxRows) + seenOmitted;
  return (
    <section class="pool" aria-labelledby="seen-name">
      <header class="pool-head">
        <h2 id="seen-name">Who sees what</h2>
        <p class="quiet">upstreams that one of them does not find well</p>
      </header>
      {seen.length === 0 ? (
        <p class="empty">All find all upstreams well.</p>
      ) : (
        <div class="scroll" tabindex="0" role="region" aria-label="Upstreams by balancer">
          <table class="list-table seen-table">
            <thead>
              <tr>
                <th scope="col">Upstream</th>
                {peers.map(({ name }) => (
                  <th scope="col" safe>
                    {name}
                  </th>
                ))}
                <th scope="col">So it is</th>
              </tr>
            </thead>
            <tbody>
              {seen.slice(0, maxRows).map((one) => (
                <SeenRow seen={one} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more > 0 ? <p class="fleet-more" safe>{`and ${countWithNoun(more, "more upstream")}`}</p> : ""}
    </section>
  );
}

function SeenRow({ seen }: { readonly seen: SeenSnapshot }): JSX.Element {
  const { id, pool, by } = seen;
  return (
    <tr>
      <th scope="row">
        {pool === null ? (
          <span class="name" safe>
            {id}
          </span>
        ) : (
          <a class="name" href={attribute(pageOf(id))} safe>
            {id}
          </a>
        )}
      </th>
      {by.map((one) => (
        <td>
          <SeenMark seen={one} />
        </td>
      ))}
      <td safe>{conclusionText(seen)}</td>
    </tr>
  );
}

/** The upstream of a page. */
export function SeenCard({ seen }: { readonly seen: SeenSnapshot | undefined }): JSX.Element {
  if (!seen) return "";
  return (
    <section class="card" aria-labelledby="seen-by-name">
      <header class="card-head">
        <h2 id="seen-by-name">Seen by</h2>
        <a href="/fleet">Fleet</a>
      </header>
      <ul class="seen-by">
        {seen.by.map((one) => (
          <li>
            <span class="name" safe>
              {one.balancer}
            </span>
            <SeenMark seen={one} />
            <span class="quiet" safe>
              {one.inFlight > 0 ? `${formatCount(one.inFlight)} in flight` : ""}
            </span>
          </li>
        ))}
      </ul>
      <p class="seen-conclusion" safe>
        {`So it is: ${conclusionText(seen)}.`}
      </p>
    </section>
  );
}

function SeenMark({ seen }: { readonly seen: SeenFromSnapshot }): JSX.Element {
  const { tone, shape } = markOf(seen);
  return (
    <span class="badge" data-tone={tone}>
      {shape === undefined ? "" : <Glyph shape={shape} />}
      <span safe>{seenFromText(seen)}</span>
    </span>
  );
}

function markOf({ status, problem, isAlive }: SeenFromSnapshot) {
  if (!isAlive || status === "absent" || status === "unknown") return { tone: "none" } as const;
  if (status === "failing" || status === "ejected") return { tone: "bad", shape: "cross" } as const;
  if (status === "draining") return { tone: "calm", shape: "down" } as const;
  if (status === "maintenance") return { tone: "calm", shape: "pause" } as const;
  if (problem !== undefined) return { tone: "warn", shape: "bang" } as const;
  return status === "passing"
    ? ({ tone: "good", shape: "check" } as const)
    : ({ tone: "warn", shape: "dots" } as const);
}
