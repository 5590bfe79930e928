/** The way to an upstream's page: overview, pool, upstream. The time of the page goes along. */
/** @jsxImportSource @kitajs/html */

import { carriedQuery, type PageRange } from "../page-range.ts";
import { anchorOf, attribute } from "../responses.ts";
import { queryOf, type View, viewOf } from "../view.ts";

interface CrumbProps {
  readonly id: string;
  /** Undefined if the upstream is not known. */
  readonly pool: string | undefined;
  /** Undefined in live fragments: the page keeps what it has. */
  readonly range: PageRange | undefined;
}

export function Crumb({ id, pool, range }: CrumbProps): JSX.Element {
  return (
    <nav class="crumb" id="crumb" aria-label="Breadcrumb" hx-morph-skip>
      {range ? <Steps id={id} pool={pool} range={range} /> : ""}
    </nav>
  );
}

/** The overview with this time. */
export function viewOfTime(range: PageRange): View {
  return viewOf(Object.fromEntries(new URLSearchParams(carriedQuery(range))));
}

function Steps({ id, pool, range }: CrumbProps & { readonly range: PageRange }): JSX.Element {
  const overview = viewOfTime(range);
  return (
    <ol>
      <li>
        <a href={attribute(`/${queryOf(overview)}`)}>Overview</a>
      </li>
      {pool === undefined ? (
        ""
      ) : (
        <li>
          <a href={attribute(`/${queryOf({ ...overview, open: [pool] })}#${anchorOf("pool", pool)}`)} safe>
            {pool}
          </a>
        </li>
      )}
      <li aria-current="page" safe>
        {id}
      </li>
    </ol>
  );
}
