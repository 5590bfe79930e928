/** How an operator says what an upstream is for: a real form, which htmx only makes quicker. */
/** @jsxImportSource @kitajs/html */

import { type Mode, modes } from "../pool/upstream.ts";
import type { UpstreamSnapshot } from "../snapshot.ts";
import { anchorOf, attribute } from "./escape.ts";
import { formatAgo, isoTime } from "./format.ts";
import { CsrfField } from "./login/marks.tsx";
import { queryOf, type View } from "./view.ts";

const verbs: Readonly<Record<Mode, string>> = {
  ready: "Ready",
  draining: "Drain",
  maintenance: "Maintenance",
};

/** Where the form stands, which is where its answer belongs. */
export type Place =
  | { readonly page: "overview"; readonly view: View }
  | { readonly page: "upstream"; readonly view?: undefined };

/** The current mode's button stays focusable: a disabled one would drop the keyboard's place. */
export function ModeForm({
  upstream,
  now,
  place,
}: {
  readonly upstream: UpstreamSnapshot;
  readonly now: number;
  readonly place: Place;
}): JSX.Element {
  const { id, mode, modeSet } = upstream;
  const query = place.page === "overview" ? queryOf(place.view) : "?page=upstream";
  const action = attribute(`/upstreams/${encodeURIComponent(id)}/mode${query}`);
  return (
    <form
      method="post"
      action={action}
      hx-post={action}
      hx-target="#live"
      hx-swap="innerMorph"
      id={anchorOf("form", id)}
    >
      <CsrfField />
      <span class="modes" data-needs="operator" role="group" aria-label={attribute(`Mode of ${id}`)}>
        {modes.map((choice) => (
          <button
            type="submit"
            name="mode"
            value={choice}
            id={anchorOf(choice, id)}
            aria-pressed={choice === mode ? "true" : "false"}
            aria-label={attribute(`${verbs[choice]} ${id}`)}
          >
            {verbs[choice]}
          </button>
        ))}
      </span>
      <span class="sub">
        {modeSet ? (
          <>
            <span safe>{`set by ${modeSet.by}, `}</span>
            <time datetime={isoTime(modeSet.at)} safe>
              {formatAgo(now - modeSet.at)}
            </time>
          </>
        ) : (
          "as configured"
        )}
      </span>
    </form>
  );
}
