/** Events as list items: when, which object changed and how, who changed it and why; and the labels of their kinds. */
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

/** The error above the events; nothing for an empty text. */
export function ErrorText({ text }: { readonly text: string }): JSX.Element {
  return text === "" ? "" : <span safe>{text}</span>;
}

/** The rest is counted: a reload that changes a thousand upstreams has a thousand lines. */
const linesShown = 8;

function EventItem({ event }: { readonly event: BalancerEvent }): JSX.Element {
  const { seq, at, kind, by } = event;
  const reasons = eventReason(event);
  return (
    <li class="event" id={attribute(`event-${seq}`)} data-tone={eventTone(event)}>
      <time class="event-time" datetime={isoTime(at)}>
        <span class="event-day" data-clock="date" safe>
          {isoTime(at).slice(0, 10)}
        </span>{" "}
        <span data-clock="time" safe>
          {isoTime(at).slice(11, 19)}
        </span>
      </time>
      <span class="event-kind" safe>
        {kindName(kind)}
      </span>
      <div class="event-what">
        <p>
          <Subject event={event} />{" "}
          <span class="event-change" safe>
            {changeOf(event)}
          </span>
        </p>
        {reasons.slice(0, linesShown).map((line) => (
          <p class="event-why" safe>
            {line}
          </p>
        ))}
        {reasons.length > linesShown ? (
          <p class="event-why" safe>{`and ${reasons.length - linesShown} more lines`}</p>
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

function Subject({ event: { kind, pool, upstream } }: { readonly event: BalancerEvent }): JSX.Element {
  if (upstream !== null) {
    return (
      <a class="event-subject" href={attribute(pageOf(upstream))} safe>
        {upstream}
      </a>
    );
  }
  // A login changes no object.
  if (kind === "login") return "";
  return (
    <span class="event-subject" safe>
      {pool ?? "the balancer"}
    </span>
  );
}

export const kindNames: Readonly<Record<EventKind, string>> = {
  probe: "Probe",
  outlier: "Outlier",
  panic: "Panic",
  mode: "Mode",
  weight: "Weight",
  backup: "Backup",
  member: "Member",
  drain: "Drain",
  rehearsal: "Fault injection",
  reload: "Reload",
  phase: "Balancer",
  worker: "Worker",
  load: "Load shedding",
  certificate: "Certificate",
  exhaustion: "Descriptors and ports",
  extension: "Extension",
  rate_limit: "Rate limit",
  problem: "Problem",
  alert: "Alert",
  silence: "Silence",
  discovery: "Discovery",
  upgrade: "Upgrade",
  fleet: "Fleet",
  login: "Login",
};

/** The kind itself for a kind of a later version. */
export function kindName(kind: string): string {
  return Object.hasOwn(kindNames, kind) ? kindNames[kind as EventKind] : kind;
}

const badStates: ReadonlySet<string> = new Set([
  ...[
    "failing",
    "ejected",
    "panic",
    "refused",
    "failed",
    "gone",
    "hung",
    "shedding",
    "expired",
    "exhausted",
    "refusing",
  ],
]);
const warnStates: ReadonlySet<string> = new Set(["probation", "late", "expiring", "early", "alone"]);
const goodStates: ReadonlySet<string> = new Set([
  "passing",
  "up",
  "calm",
  "drained",
  "ready",
  "serving",
  "valid",
  "shared",
]);

const problemTones: ReadonlyMap<string, Tone> = new Map([
  ["critical", "bad"],
  ["warning", "warn"],
  ["closed", "good"],
]);

export function eventTone({ kind, to }: BalancerEvent): Tone | "calm" {
  if (kind === "problem") return problemTones.get(to) ?? "calm";
  return badStates.has(to) ? "bad" : warnStates.has(to) ? "warn" : goodStates.has(to) ? "good" : "calm";
}

const loginTexts: Readonly<Record<string, string>> = {
  accepted: "logged in",
  refused: "login rejected",
  ended: "logged out",
};

/** "passing → failing" */
export function changeOf({ kind, from, to }: BalancerEvent): string {
  if (kind === "login") return loginTexts[to] ?? to;
  return from === "" ? to : `${from} → ${to}`;
}

/** Not shown: they only repeat who made the change. */
const impliedReasons: ReadonlySet<string> = new Set([
  "operator",
  "configuration",
  "lifecycle",
  "password_right",
  "logout",
]);

/** Why it happened: one string per line. */
export function eventReason({ reason, detail }: BalancerEvent): readonly string[] {
  const lines = detail.split("\n").filter((line) => line !== "");
  return impliedReasons.has(reason)
    ? lines
    : [[reason, lines[0] ?? ""].filter(Boolean).join(": "), ...lines.slice(1)];
}
