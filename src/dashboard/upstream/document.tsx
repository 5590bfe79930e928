/** The document of an upstream's page, and its live fragment. */
/** @jsxImportSource @kitajs/html */

import type { RequestList } from "../../requests/recent-requests.ts";
import { ActionResult, type ActionResultProps } from "../actions/result.tsx";
import type { AdminResult } from "../admin-client.ts";
import { liveAttributes, markup, Shell } from "../layout/shell.tsx";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { carriedQuery } from "../page-range.ts";
import { FailingCard, FailingStub } from "../requests/failing-card.tsx";
import { FaultForm, FaultFormStub } from "./fault.tsx";
import { UpstreamView, upstreamTitle } from "./page.tsx";
import { ServedCard, type ServedProps } from "./served-routes.tsx";
import type { UpstreamTime } from "./time.tsx";

export interface UpstreamPageProps {
  readonly shown: UpstreamPageState;
  /** What the charts show; undefined for a page without them. */
  readonly time?: UpstreamTime;
  readonly notice?: string;
  /** Its last failed requests, or the error; undefined omits the card. */
  readonly failing?: AdminResult<RequestList> | undefined;
  /** The routes that it serves; undefined omits the card. */
  readonly served?: ServedProps | undefined;
  readonly done?: ActionResultProps | undefined;
}

export function renderUpstreamPage({
  shown,
  time,
  notice = "",
  failing,
  served,
  done,
}: UpstreamPageProps): string {
  const { id } = shown;
  const live = `/live/upstreams/${encodeURIComponent(id)}`;
  return markup(
    <Shell
      title={upstreamTitle(shown)}
      here="upstream"
      live={live}
      notice={notice}
      done={done && <ActionResult {...done} />}
      carried={time && carriedQuery(time.range)}
      snapshot={shown.state.snapshot}
    >
      <main id="live" {...liveAttributes(live)}>
        <UpstreamView
          shown={shown}
          time={time}
          faultForm={<FaultForm id={id} />}
          failing={failing ? <FailingCard upstream={id} result={failing} /> : ""}
          served={served ? <ServedCard id={id} served={served} /> : ""}
        />
      </main>
    </Shell>,
  );
}

export function renderUpstreamLive(shown: UpstreamPageState): string {
  return markup(
    <>
      <title safe>{upstreamTitle(shown)}</title>
      <UpstreamView
        shown={shown}
        time={undefined}
        faultForm={<FaultFormStub id={shown.id} />}
        failing={<FailingStub upstream={shown.id} />}
        served={<ServedCard id={shown.id} served={undefined} />}
      />
    </>,
  );
}
