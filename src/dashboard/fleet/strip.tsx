/** The balancers of a fleet in the head of the overview. */
/** @jsxImportSource @kitajs/html */

import { isWebUrl } from "../../lib/web-url.ts";
import type { FleetSnapshot, PeerSnapshot } from "../../snapshot/fleet-snapshot.ts";
import { differencesText, fleetHeadline, fleetTone, peerStateText } from "../../wording/fleet.ts";
import type { Tone } from "../../wording/verdict.ts";
import { Glyph, toneShapes } from "../layout/widgets.tsx";
import { attribute } from "../responses.ts";

export function FleetStrip({ fleet }: { readonly fleet: FleetSnapshot }): JSX.Element {
  const tone = fleetTone(fleet);
  return (
    <section class="fleet-strip" data-tone={tone} aria-labelledby="fleet-strip-name">
      <a id="fleet-strip-name" class="fleet-strip-head" href="/fleet" title={attribute(fleetHeadline(fleet))}>
        Fleet
      </a>
      <span class={tone === "good" ? "unseen" : "fleet-strip-words"} role="status" safe>
        {fleetHeadline(fleet)}
      </span>
      <ul class="fleet-peers">
        {fleet.peers.map((peer) => (
          <li
            data-tone={peerTone(peer)}
            title={attribute(stripNote(peer))}
            {...(peer.isSelf ? { class: "self" } : {})}
          >
            <Glyph shape={toneShapes[peerTone(peer)]} />
            <PeerName peer={peer} />
            <span class={peer.isSelf ? "quiet" : "unseen"} safe>
              {peer.isSelf ? "this one" : stripNote(peer)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function peerTone({ state, differs, problems }: PeerSnapshot): Tone {
  if (state === "silent" || problems.critical > 0) return "bad";
  return differs.length > 0 || problems.warning > 0 ? "warn" : "good";
}

function stripNote(peer: PeerSnapshot): string {
  const differences = differencesText(peer);
  const state = peerStateText(peer);
  const what = differences === "" || peer.state === "silent" ? state : `differs in ${differences}`;
  return peer.isSelf ? `this one, ${what}` : what;
}

/** A link to its dashboard, if it has said where that is. The address comes from the store, which others may write to. */
export function PeerName({ peer: { name, url, isSelf } }: { readonly peer: PeerSnapshot }): JSX.Element {
  if (isSelf)
    return (
      <a class="name" href="/" safe>
        {name}
      </a>
    );
  if (url === null || !isWebUrl(url))
    return (
      <span class="name" safe>
        {name}
      </span>
    );
  return (
    <a class="name" href={attribute(url)} rel="noreferrer" safe>
      {name}
    </a>
  );
}
