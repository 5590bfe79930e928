/** The top of an upstream's page: what it is, how it is and why, and what can be done about it. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../../detail.ts";
import type { ChangeStamp } from "../../snapshot/snapshot.ts";
import { RowActions } from "../actions/menu.tsx";
import { Badge, Glyph, toneShapes } from "../layout/widgets.tsx";
import { formatAgo } from "../../wording/format.ts";
import { statusReasonOf } from "../../wording/reasons.ts";
import { statusNote } from "../status-note.ts";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { isStandbyBackup, type Tone, overallStatus } from "../../wording/verdict.ts";

interface HeadProps {
  readonly shown: UpstreamPageState;
  readonly now: number;
}

export function UpstreamHead({ shown, now }: HeadProps): JSX.Element {
  const { id, detail, error } = shown;
  const tone = error || !detail ? "bad" : toneOf(detail);
  return (
    <section class="verdict" data-tone={tone}>
      <Glyph shape={toneShapes[tone]} />
      <div class="verdict-words">
        <h1 safe>{id}</h1>
        <div class="reasons" role="status" aria-live="polite">
          {error ? (
            <span safe>{troubleText(shown)}</span>
          ) : detail ? (
            <>
              <Badge status={detail.status} />
              <span class="age" aria-hidden="true" safe>
                {statusNote(detail, now)}
              </span>
              <span data-concern={tone === "bad" ? "grave" : "none"} safe>
                {statusReasonOf(detail)}
              </span>
            </>
          ) : (
            ""
          )}
        </div>
        {detail ? (
          <ul class="facts">
            {factsOf(detail, now).map((fact) => (
              <li safe>{fact}</li>
            ))}
          </ul>
        ) : (
          ""
        )}
      </div>
      {detail ? (
        <div class="head-actions">
          <RowActions upstream={detail} now={now} place={{ page: "upstream", id }} />
        </div>
      ) : (
        ""
      )}
    </section>
  );
}

function toneOf(detail: UpstreamDetail): Tone {
  if (detail.fit || isStandbyBackup(detail)) return "good";
  return detail.status === "failing" || detail.status === "ejected" ? "bad" : "warn";
}

/** The page is of one upstream, but what is wrong may be the whole balancer. */
function troubleText({ error, state, detail, at }: UpstreamPageState): string {
  if (error?.reason === "missing") return "There is no such upstream, or no longer.";
  const age = detail && state.readAt > 0 ? `, last picture ${formatAgo(at - state.readAt)}` : "";
  return `${overallStatus(state).headline}: ${error?.message ?? "no answer"}${age}`;
}

/** "ann 3 min ago: kernel update" */
function changeText(mark: ChangeStamp, now: number): string {
  return `${mark.by} ${formatAgo(now - mark.at)}${saying(mark)}`;
}

function saying({ why: reason }: ChangeStamp): string {
  return reason === "" ? "" : `: ${reason}`;
}

function factsOf(detail: UpstreamDetail, now: number): readonly string[] {
  const { url, pool, policy, weight, weightSet, backup, added, mode, modeSet } = detail;
  return [
    ...[url, `pool ${pool}`, policy],
    ...(mode !== "ready" && modeSet ? [`${mode} set ${formatAgo(now - modeSet.at)}`] : []),
    `weight ${weight}${weightSet ? `, set by ${changeText(weightSet, now)}` : ""}`,
    ...(backup ? ["backup"] : []),
    ...(added ? [`added by ${changeText(added, now)}`] : []),
  ];
}
