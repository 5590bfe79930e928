/** Everything about one upstream on one page: how it is and why, what to do about it, and how it came to this. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../detail.ts";
import { Badge, Glyph, toneShapes } from "./badge.tsx";
import { ReasonList, reasonsOf } from "./errors-cell.tsx";
import { PageFoot } from "./foot.tsx";
import { formatAgo, formatBrief, formatCount, formatMs, formatRate, formatShare, nothing } from "./format.ts";
import { LatencyBars } from "./latency-bars.tsx";
import { Sparkline } from "./line.tsx";
import { ModeForm } from "./mode-form.tsx";
import { balancerNow } from "./picture.ts";
import { statusNote } from "./pool-table.tsx";
import { ProbeStrip } from "./probe-strip.tsx";
import { Tile } from "./tile.tsx";
import { type Quantity, trendOf } from "./trend.ts";
import { trendMs, type UpstreamPicture } from "./upstream-feeds.ts";
import { concernOf, standsBy, type Tone, verdictOf } from "./verdict.ts";
import { fairShareOf } from "./view.ts";

export interface UpstreamViewProps {
  readonly shown: UpstreamPicture;
  readonly charts: JSX.Element;
  /** Its last failing requests. */
  readonly failing: JSX.Element;
}

/** Children of the live region. */
export function UpstreamView({ shown, charts, failing }: UpstreamViewProps): JSX.Element {
  const { detail, picture, trouble } = shown;
  const now = balancerNow(picture);
  return (
    <>
      <Head shown={shown} now={now} />
      {detail ? (
        <div class={trouble ? "known stale" : "known"}>
          <Totals shown={shown} detail={detail} />
          <section class="pool" aria-label="History">
            {charts}
          </section>
          <div class="cards">
            <div class="card-stack">
              <ProbeStrip probes={detail.probes} plan={detail.probe} now={now} />
              <Counts
                id="reasons"
                name="Errors by reason"
                counts={detail.errorsByReason}
                none="No error since the start."
              />
              <Counts
                id="codes"
                name="Answers by status"
                counts={detail.codes}
                none="No answer since the start."
                further={detail.cancelled > 0 ? `${formatCount(detail.cancelled)} clients went away` : ""}
              />
            </div>
            <div class="card-stack">
              <LatencyBars bars={detail.latencies} />
              {failing}
            </div>
          </div>
        </div>
      ) : (
        ""
      )}
      <PageFoot picture={picture} />
    </>
  );
}

export function upstreamTitle({ id, detail, trouble }: UpstreamPicture): string {
  return `${id}${detail && !trouble ? ` ${detail.status}` : ""} · Evenkeel`;
}

interface HeadProps {
  readonly shown: UpstreamPicture;
  readonly now: number;
}

function Head({ shown, now }: HeadProps): JSX.Element {
  const { id, detail, trouble } = shown;
  const tone = trouble || !detail ? "bad" : toneOf(detail);
  return (
    <section class="verdict" data-tone={tone}>
      <Glyph shape={toneShapes[tone]} />
      <div class="verdict-words">
        <h1 safe>{id}</h1>
        <div class="reasons" role="status" aria-live="polite">
          {trouble ? (
            <span safe>{troubleWords(shown)}</span>
          ) : detail ? (
            <>
              <Badge status={detail.status} />
              <span class="age" aria-hidden="true" safe>
                {statusNote(detail, now)}
              </span>
              <span safe>{why(detail)}</span>
            </>
          ) : (
            ""
          )}
        </div>
        {detail ? (
          <ul class="facts">
            {factsOf(detail).map((fact) => (
              <li safe>{fact}</li>
            ))}
          </ul>
        ) : (
          ""
        )}
      </div>
      {detail ? (
        <div class="head-actions">
          <ModeForm upstream={detail} now={now} place={{ page: "upstream" }} />
        </div>
      ) : (
        ""
      )}
    </section>
  );
}

function toneOf(detail: UpstreamDetail): Tone {
  if (detail.fit || standsBy(detail)) return "good";
  return detail.status === "failing" || detail.status === "ejected" ? "bad" : "warn";
}

/** The page is of one upstream, but what is wrong may be the whole balancer. */
function troubleWords({ trouble, picture, detail, at }: UpstreamPicture): string {
  if (trouble?.reason === "missing") return "There is no such upstream, or no longer.";
  const age = detail && picture.readAt > 0 ? `, last picture ${formatAgo(at - picture.readAt)}` : "";
  return `${verdictOf(picture).headline}: ${trouble?.message ?? "no answer"}${age}`;
}

function why({ status, mode, modeSet, lastProbe, outlier }: UpstreamDetail): string {
  if (mode !== "ready") return modeSet ? `set by ${modeSet.by}` : "as configured";
  if (status === "ejected" || status === "probation") return outlier.reason ?? "";
  if (status === "passing" || !lastProbe) return "";
  return lastProbe.detail;
}

function factsOf({ url, pool, policy, weight, backup }: UpstreamDetail): readonly string[] {
  return [url, `pool ${pool}`, policy, `weight ${weight}`, ...(backup ? ["backup"] : [])];
}

interface TotalsProps {
  readonly shown: UpstreamPicture;
  readonly detail: UpstreamDetail;
}

function Totals({ shown, detail }: TotalsProps): JSX.Element {
  const { traffic } = detail;
  const columns = shown.trend ? [shown.trend.columns] : [];
  const spark = (quantity: Quantity, kind: string) => (
    <Sparkline trend={trendOf(columns, quantity)} kind={kind} spanMs={trendMs} />
  );
  const pool = shown.picture.snapshot?.pools.find(({ name }) => name === detail.pool);
  const whole = pool?.traffic.requestsPerSecond ?? 0;
  const fair = pool ? fairShareOf(pool, detail) : 0;
  return (
    <dl class="totals of-one">
      <Tile
        name="Share of pool"
        value={formatShare(whole > 0 ? Math.min(1, traffic.requestsPerSecond / whole) : 0)}
        note={`fair ${fair > 0 ? formatShare(fair) : nothing}`}
      />
      <Tile
        name="Requests/s"
        spark={spark("requestsPerSecond", "k-rate")}
        value={formatRate(traffic.requestsPerSecond)}
        note={`${formatBrief(traffic.requests)} total`}
      />
      <Tile
        name="Errors"
        spark={spark("errorsPerSecond", "k-errors")}
        value={formatShare(traffic.errorShare)}
        note={`${formatBrief(traffic.errors)} total`}
        concern={concernOf(traffic.errorShare)}
      />
      <Tile name="p50" spark={spark("p50Ms", "k-p50")} value={formatMs(traffic.p50Ms)} note="last minute" />
      <Tile name="p95" spark={spark("p95Ms", "k-p95")} value={formatMs(traffic.p95Ms)} note="last minute" />
      <Tile name="p99" spark={spark("p99Ms", "k-p99")} value={formatMs(traffic.p99Ms)} note="last minute" />
      <Tile
        name="In flight"
        spark={spark("inFlight", "k-in-flight")}
        value={formatCount(detail.inFlight)}
        note="under way"
      />
    </dl>
  );
}

interface CountsProps {
  readonly id: string;
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly none: string;
  readonly further?: string;
}

function Counts({ id, name, counts, none, further = "" }: CountsProps): JSX.Element {
  const reasons = reasonsOf(counts);
  return (
    <section class="card" aria-labelledby={`${id}-name`}>
      <header class="card-head">
        <h2 id={`${id}-name`}>{name}</h2>
        <p class="quiet" safe>
          {further === "" ? "since the start" : `since the start, ${further}`}
        </p>
      </header>
      {reasons.length > 0 ? <ReasonList reasons={reasons} /> : <p class="empty">{none}</p>}
    </section>
  );
}
