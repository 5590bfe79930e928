/** Events as a list, newest first: when, what happened to whom, who did it and why. */
/** @jsxImportSource @kitajs/html */

import type { BalancerEvent } from "../../state/event.ts";
import { attribute } from "../escape.ts";
import { isoTime } from "../../wording/format.ts";
import { pageOf } from "../location.ts";
import { changeOf, kindName, eventTone, eventReason } from "./event-words.ts";

interface EventItemsProps {
  /** Newest first. */
  readonly events: readonly BalancerEvent[];
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
export function ErrorText({ words: text }: { readonly words: string }): JSX.Element {
  return text === "" ? "" : <span safe>{text}</span>;
}

/** A reload that changes a thousand upstreams has a thousand lines. */
const linesShown = 8;

function EventItem({ event }: { readonly event: BalancerEvent }): JSX.Element {
  const { seq, at, kind, by } = event;
  const why = eventReason(event);
  return (
    <li class="event" id={attribute(`event-${seq}`)} data-tone={eventTone(event)}>
      <time class="event-time" datetime={isoTime(at)}>
        <span class="event-day" safe>
          {isoTime(at).slice(0, 10)}
        </span>{" "}
        <span safe>{isoTime(at).slice(11, 19)}</span>
      </time>
      <span class="event-kind" safe>
        {kindName(kind)}
      </span>
      <div class="event-what">
        <p>
          <Whom event={event} />{" "}
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

function Whom({ event: { kind, pool, upstream } }: { readonly event: BalancerEvent }): JSX.Element {
  if (upstream !== null) {
    return (
      <a class="event-whom" href={attribute(pageOf(upstream))} safe>
        {upstream}
      </a>
    );
  }
  // Who logs in does nothing to anybody.
  if (kind === "login") return "";
  return (
    <span class="event-whom" safe>
      {pool ?? "the balancer"}
    </span>
  );
}
