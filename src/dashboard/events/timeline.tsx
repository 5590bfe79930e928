/** Events as a list, newest first: when, what happened to whom, who did it and why. */
/** @jsxImportSource @kitajs/html */

import { pageOf } from "../location.ts";
import { attribute } from "../responses.ts";
import type { BalancerEvent, EventKind } from "../../state/event.ts";
import { isoTime } from "../../wording/format.ts";
import type { Tone } from "../../wording/verdict.ts";

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

// Events in words: what kind of thing happened, to what, and how much it should draw the eye.

export const kindNames: Readonly<Record<EventKind, string>> = {
  probe: "Probe",
  outlier: "Outlier",
  panic: "Panic",
  mode: "Mode",
  weight: "Weight",
  backup: "Backup",
  member: "Member",
  drain: "Drain",
  rehearsal: "Rehearsal",
  reload: "Reload",
  phase: "Balancer",
  worker: "Worker",
  load: "Load shedding",
  certificate: "Certificate",
  login: "Login",
};

/** One that this version does not know is called by its own word. */
export function kindName(kind: string): string {
  return Object.hasOwn(kindNames, kind) ? kindNames[kind as EventKind] : kind;
}

const bad: ReadonlySet<string> = new Set(["failing", "ejected", "panic", "refused", "gone", "expired"]);
const warn: ReadonlySet<string> = new Set(["probation", "late", "expiring", "early"]);
const good: ReadonlySet<string> = new Set(["passing", "up", "calm", "drained", "ready", "valid"]);

export function eventTone({ to }: BalancerEvent): Tone | "calm" {
  return bad.has(to) ? "bad" : warn.has(to) ? "warn" : good.has(to) ? "good" : "calm";
}

const logins: Readonly<Record<string, string>> = {
  accepted: "logged in",
  refused: "login refused",
  ended: "logged out",
};

/** "passing → failing" */
export function changeOf({ kind, from, to }: BalancerEvent): string {
  if (kind === "login") return logins[to] ?? to;
  return from === "" ? to : `${from} → ${to}`;
}

/** These say no more than who did it. */
const silent: ReadonlySet<string> = new Set([
  "operator",
  "configuration",
  "lifecycle",
  "password_right",
  "logout",
]);

/** Why, a line each. */
export function eventReason({ reason, detail }: BalancerEvent): readonly string[] {
  const lines = detail.split("\n").filter((line) => line !== "");
  return silent.has(reason)
    ? lines
    : [[reason, lines[0] ?? ""].filter(Boolean).join(": "), ...lines.slice(1)];
}
