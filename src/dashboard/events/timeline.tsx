/** Events as a list, newest first: when, what happened to whom, who did it and why. */
/** @jsxImportSource @kitajs/html */

import type { Event } from "../../state/event.ts";
import { attribute } from "../escape.ts";
import { formatTime, isoTime } from "../format.ts";
import { pageOf } from "../place.ts";
import { changeOf, kindName, toneOf, whyOf } from "./event-words.ts";

interface EventItemsProps {
  /** Newest first. */
  readonly events: readonly Event[];
}

export function EventItems({ events }: EventItemsProps): JSX.Element {
  return (
    <>
      {events.map((event) => (
        <EventItem event={event} />
      ))}
    </>
  );
}

/** What stands above the events while they cannot be read. */
export function TroubleWords({ words }: { readonly words: string }): JSX.Element {
  return words === "" ? "" : <span safe>{words}</span>;
}

/** A reload that changes a thousand upstreams has a thousand lines. */
const linesShown = 8;

function EventItem({ event }: { readonly event: Event }): JSX.Element {
  const { seq, at, kind, pool, upstream, by } = event;
  const why = whyOf(event);
  return (
    <li class="event" id={attribute(`event-${seq}`)} data-tone={toneOf(event)}>
      <time class="event-time" datetime={isoTime(at)}>
        <span safe>{formatTime(at)}</span>
        <span class="sub" safe>
          {isoTime(at).slice(0, 10)}
        </span>
      </time>
      <span class="event-kind" safe>
        {kindName(kind)}
      </span>
      <div class="event-what">
        <p>
          {upstream === null ? (
            <span class="event-whom" safe>
              {pool ?? "the balancer"}
            </span>
          ) : (
            <a class="event-whom" href={attribute(pageOf(upstream))} safe>
              {upstream}
            </a>
          )}{" "}
          <span class="event-change" safe>
            {changeOf(event)}
          </span>
        </p>
        {why.slice(0, linesShown).map((line) => (
          <p class="event-why" safe>
            {line}
          </p>
        ))}
        {why.length > linesShown ? (
          <p class="event-why" safe>{`and ${why.length - linesShown} more lines`}</p>
        ) : (
          ""
        )}
      </div>
      <span class="event-by" safe>
        {by}
      </span>
    </li>
  );
}
