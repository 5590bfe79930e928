/** The page of a fleet: who is there and who differs, who sees what, what is shared. */
/** @jsxImportSource @kitajs/html */

import type { FleetSnapshot, PeerSnapshot } from "../../snapshot/fleet-snapshot.ts";
import {
  differencesText,
  fleetConcerns,
  fleetHeadline,
  fleetSentence,
  fleetTone,
  peerStateText,
  peerUptime,
} from "../../wording/fleet.ts";
import { formatAgo, formatCount, formatRate, formatShare, isoTime } from "../../wording/format.ts";
import { concernOf, type DashboardState, overallStatus } from "../../wording/verdict.ts";
import { liveAttributes, markup, PageFoot, Shell } from "../layout/shell.tsx";
import { PageTools } from "../layout/page-tools.tsx";
import { Glyph, toneShapes } from "../layout/widgets.tsx";
import { SeenTable } from "./seen.tsx";
import { FleetEvents, OrdersCard, SharedCard } from "./shared.tsx";
import { PeerName, peerTone } from "./strip.tsx";

const liveAddress = "/live/fleet";

export function renderFleetPage(state: DashboardState): string {
  return markup(
    <Shell title={fleetTitle(state)} here="fleet" live={liveAddress} snapshot={state.snapshot}>
      <main id="live" {...liveAttributes(liveAddress)}>
        <FleetView state={state} />
      </main>
    </Shell>,
  );
}

/** Children of the live region. */
export function renderFleetLive(state: DashboardState): string {
  return markup(
    <>
      <title safe>{fleetTitle(state)}</title>
      <FleetView state={state} />
    </>,
  );
}

function fleetTitle({ snapshot, outage }: DashboardState): string {
  const fleet = snapshot?.fleet;
  return `${outage ? "No response" : fleet ? fleetHeadline(fleet) : "Fleet"} · Evenkeel`;
}

function FleetView({ state }: { readonly state: DashboardState }): JSX.Element {
  const { snapshot, outage } = state;
  const fleet = snapshot?.fleet;
  return (
    <>
      {outage ? <OutageBand state={state} /> : ""}
      {snapshot && fleet ? (
        <div class={outage ? "known stale" : "known"}>
          {outage ? "" : <FleetBand fleet={fleet} />}
          <BalancerTable fleet={fleet} now={snapshot.at} />
          <SeenTable fleet={fleet} />
          <div class="cards">
            <SharedCard fleet={fleet} />
            <OrdersCard fleet={fleet} />
          </div>
          <FleetEvents fleet={fleet} />
        </div>
      ) : snapshot ? (
        <NoFleet />
      ) : (
        ""
      )}
      <PageFoot state={state} rows={fleet && { name: "balancers", address: "/fleet" }} />
    </>
  );
}

/** What is known of the fleet comes from the balancer that this dashboard reads. */
function OutageBand({ state }: { readonly state: DashboardState }): JSX.Element {
  const { headline } = overallStatus(state);
  return (
    <section class="verdict" data-tone="bad">
      <Glyph shape="cross" />
      <div class="verdict-text" role="status" aria-live="polite">
        <h1 safe>{headline}</h1>
        <p>What is shown was known before. The other balancers may be well: open the dashboard of one.</p>
      </div>
    </section>
  );
}

function FleetBand({ fleet }: { readonly fleet: FleetSnapshot }): JSX.Element {
  const tone = fleetTone(fleet);
  const concerns = fleetConcerns(fleet);
  return (
    <section class="verdict" data-tone={tone}>
      <Glyph shape={toneShapes[tone]} />
      <div class="verdict-text">
        <h1 safe>{fleetHeadline(fleet)}</h1>
        <p class="quiet" safe>{`Fleet ${fleet.group}, as ${fleet.name} sees it: ${fleetSentence(fleet)}.`}</p>
        <ul class="fleet-concerns">
          {concerns.map((concern) => (
            <li safe>{`${concern}.`}</li>
          ))}
        </ul>
      </div>
      <p class="head-actions">
        <PageTools address="/fleet" />
      </p>
    </section>
  );
}

function NoFleet(): JSX.Element {
  return (
    <section class="pool empty">
      <h1>No fleet</h1>
      <p>This balancer keeps to itself: its configuration has no fleet.</p>
      <p>
        With <code>fleet</code>, several balancers share what operators set, and this page shows all of them.
      </p>
    </section>
  );
}

interface BalancerTableProps {
  readonly fleet: FleetSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

function BalancerTable({ fleet, now }: BalancerTableProps): JSX.Element {
  return (
    <section class="pool" aria-labelledby="balancers-name">
      <header class="pool-head">
        <h2 id="balancers-name">Balancers</h2>
      </header>
      <table class="list-table stacked">
        <thead>
          <tr>
            <th scope="col">Balancer</th>
            <th scope="col">State</th>
            <th scope="col">Version</th>
            <th scope="col">Configuration</th>
            <th scope="col">Differs in</th>
            <th scope="col" class="num">
              Requests/s
            </th>
            <th scope="col" class="num">
              Errors
            </th>
            <th scope="col" class="num">
              In flight
            </th>
            <th scope="col" class="num">
              Up
            </th>
            <th scope="col" class="num">
              Heard
            </th>
          </tr>
        </thead>
        <tbody>
          {fleet.peers.map((peer) => (
            <BalancerRow peer={peer} now={now} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface BalancerRowProps extends Pick<BalancerTableProps, "now"> {
  readonly peer: PeerSnapshot;
}

function BalancerRow({ peer, now }: BalancerRowProps): JSX.Element {
  const { isSelf, state, version, configuration, isSameConfiguration, startedAt, ageMs } = peer;
  const { requestsPerSecond, errorShare, inFlight } = peer;
  const tone = peerTone(peer);
  const isSilent = state === "silent";
  return (
    <tr class={isSilent ? "stale" : ""}>
      <th scope="row">
        <span class="peer-mark" data-tone={tone}>
          <Glyph shape={toneShapes[tone]} />
        </span>{" "}
        <PeerName peer={peer} /> {isSelf ? <span class="quiet">this one</span> : ""}
      </th>
      <td
        data-name="State"
        data-concern={tone === "bad" ? "grave" : tone === "warn" ? "slight" : "none"}
        safe
      >
        {peerStateText(peer)}
      </td>
      <td data-name="Version" safe>
        {version}
      </td>
      <td data-name="Configuration" data-concern={isSameConfiguration ? "none" : "slight"}>
        <code safe>{configuration}</code>{" "}
        <span safe>{isSelf ? "" : isSameConfiguration ? "same" : "differs"}</span>
      </td>
      <td data-name="Differs in" data-concern="slight" safe>
        {differencesText(peer)}
      </td>
      <td class="num" data-name="Requests/s" safe>
        {formatRate(requestsPerSecond)}
      </td>
      <td class="num" data-name="Errors" data-concern={concernOf(errorShare)} safe>
        {formatShare(errorShare)}
      </td>
      <td class="num" data-name="In flight" safe>
        {formatCount(inFlight)}
      </td>
      <td class="num" data-name="Up">
        <time datetime={isoTime(startedAt)} title={isoTime(startedAt)} safe>
          {peerUptime(peer, now)}
        </time>
      </td>
      <td class="num quiet" data-name="Heard" safe>
        {isSelf ? "now" : formatAgo(ageMs)}
      </td>
    </tr>
  );
}
