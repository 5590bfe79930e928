/** The events that charts mark, with the numbers that they have in every chart and list of a page. */

import { changeOf, eventTone, kindName } from "../events/timeline.tsx";
import type { BalancerEvent } from "../../state/event.ts";
import type { Tone } from "../../wording/verdict.ts";

export interface Mark {
  /** From 1, in the order of time. */
  readonly number: number;
  readonly at: number;
  readonly tone: Tone | "calm";
  /** "api-2: passing → failing", "checkout-07 answers 30 % of its requests with 500" */
  readonly text: string;
  readonly event: BalancerEvent;
}

/** More are not legible; the list of events has all. */
const maxMarks = 200;

/** A login changes nothing that a chart shows. */
const unmarkedKinds: ReadonlySet<string> = new Set(["login"]);

/**
 * @param events oldest first
 * @param subject only events of this pool or upstream, and those of the whole balancer
 */
export function marksOf(
  events: readonly BalancerEvent[],
  { pool, upstream }: { readonly pool?: string | undefined; readonly upstream?: string | undefined },
): readonly Mark[] {
  return events
    .filter(
      (event) =>
        !unmarkedKinds.has(event.kind) &&
        (upstream === undefined || event.upstream === upstream || event.upstream === null) &&
        (pool === undefined || event.pool === pool || event.pool === null),
    )
    .slice(-maxMarks)
    .map((event, index) => ({
      number: index + 1,
      at: event.at,
      tone: eventTone(event),
      text: markText(event),
      event,
    }));
}

/** The number of a problem, and what it is about if that is neither pool nor upstream: its title says that too. */
const problemNumber = /^p-[a-z0-9]+(?: \(.*?\))?: /s;

function markText(event: BalancerEvent): string {
  if (event.kind === "problem") {
    const title = event.detail.replace(problemNumber, "");
    return event.to === "closed" ? `Over: ${title}` : title;
  }
  const subject = event.upstream ?? event.pool ?? "";
  const what = subject === "" ? kindName(event.kind) : subject;
  const why = event.detail.split("\n")[0] ?? "";
  return `${what}: ${changeOf(event)}${why === "" ? "" : `, ${why}`}`;
}

/** How many marks a list shows around a moment, before it and after it. */
const aroundShown = 4;

/** The marks next to a moment, or the last ones; oldest first. */
export function marksAround(
  marks: readonly Mark[],
  moment: number | undefined,
  shown: number,
): readonly Mark[] {
  if (moment === undefined) return marks.slice(-shown);
  const first = marks.findIndex(({ at }) => at > moment);
  const index = first < 0 ? marks.length : first;
  return marks.slice(Math.max(0, index - aroundShown), index + aroundShown);
}
