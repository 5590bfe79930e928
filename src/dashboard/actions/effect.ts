/** What will happen, in sentences, before it does: who gets nothing new, what finishes, who takes over, and how full they get. */

import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../../snapshot.ts";
import { formatCount, formatShare, formatSpan, joinWords } from "../format.ts";
import type { Asked } from "./asked.ts";
import { type Fate, type Forecast, forecast } from "./serving.ts";

export interface Effect {
  readonly lines: readonly string[];
  /** What has to be confirmed: afterwards a pool has nobody that is known to be well. */
  readonly dangers: readonly string[];
  /** Ids that no upstream has. */
  readonly unknown: readonly string[];
}

type Wish = Pick<Asked, "act" | "ids" | "weight" | "deadlineMs">;

export function effectOf(snapshot: Snapshot, wish: Wish): Effect {
  const touched = snapshot.pools.flatMap((pool) => {
    const members = pool.upstreams.filter(({ id }) => wish.ids.includes(id));
    return members.length > 0 ? [{ pool, members }] : [];
  });
  const known = new Set(touched.flatMap(({ members }) => members.map(({ id }) => id)));
  const several = snapshot.pools.length > 1;
  const effects = touched.map(({ pool, members }) => {
    const [before, after] = [forecast(pool, new Map()), forecast(pool, fatesOf(members, wish))];
    const place = several ? ` in pool ${pool.name}` : "";
    const isMoved = JSON.stringify(before.shares) !== JSON.stringify(after.shares);
    return {
      lines: [
        ...ownLines(pool, members, wish),
        ...(isMoved ? [...shareLines(after, members, place), ...loadLines(pool, after)] : []),
      ],
      dangers: dangerLines(pool, before, after),
    };
  });
  return {
    lines: effects.flatMap(({ lines }) => lines),
    dangers: effects.flatMap(({ dangers }) => dangers),
    unknown: wish.ids.filter((id) => !known.has(id)),
  };
}

function fatesOf(members: readonly UpstreamSnapshot[], { act, weight }: Wish): ReadonlyMap<string, Fate> {
  return new Map(
    members.map(({ id }): [string, Fate] => {
      if (act === "ready") return [id, { isBack: true }];
      if (act === "weight") return [id, typeof weight === "number" ? { weight } : {}];
      return [id, { isOut: true }];
    }),
  );
}

/** "api-1", "api-1 and api-2", "these 7" */
function namesOf(members: readonly { readonly id: string }[]): string {
  return members.length > 3 ? `these ${members.length}` : joinWords(members.map(({ id }) => id));
}

function ownLines(pool: PoolSnapshot, members: readonly UpstreamSnapshot[], wish: Wish): readonly string[] {
  const names = namesOf(members);
  const one = members.length === 1;
  const underWay = members.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const finishing =
    underWay === 0
      ? "nothing is under way there"
      : `${underWay === 1 ? "the request" : `the ${formatCount(underWay)} requests`} under way ${underWay === 1 ? "finishes" : "finish"}`;
  switch (wish.act) {
    case "ready":
      return readyLines(members);
    case "drain": {
      const limit =
        wish.deadlineMs > 0 && underWay > 0
          ? `What is left after ${formatSpan(wish.deadlineMs)} goes on until you cut it.`
          : "";
      return [`${names} ${one ? "gets" : "get"} nothing new; ${finishing}.`, ...(limit ? [limit] : [])];
    }
    case "maintenance":
      return [
        `${names} ${one ? "gets" : "get"} nothing new until somebody says otherwise, also after a restart; ${finishing}.`,
      ];
    case "weight":
      return weightLines(members, wish.weight);
    case "remove": {
      const isAdded = members.every(({ added }) => added !== null);
      const after = isAdded
        ? "It is not in the configuration: to have it back, add it again."
        : "The configuration still has it; it stays away until it is added again, also after a restart.";
      return [
        `${names} gets nothing new; ${finishing}, then it leaves pool ${pool.name}, after 30 s at the latest.`,
        after,
      ];
    }
    case "cut":
      return underWay === 0
        ? ["Nothing is under way there any more: there is nothing to cut."]
        : [
            `${underWay === 1 ? "The request" : `The ${formatCount(underWay)} requests`} still under way on ${names} ${underWay === 1 ? "is" : "are"} cut: the clients see a broken connection or an error.`,
          ];
  }
}

function readyLines(members: readonly UpstreamSnapshot[]): readonly string[] {
  const idle = members.filter(({ mode }) => mode === "ready");
  const back = members.filter(({ mode }) => mode !== "ready");
  const sick = back.filter(({ lastProbe }) => lastProbe?.success === false);
  return [
    ...(back.length > 0
      ? [`${namesOf(back)} ${back.length === 1 ? "gets" : "get"} new requests as soon as the checks pass.`]
      : []),
    ...sick
      .slice(0, 3)
      .map(({ id, lastProbe }) => `${id} does not pass now: ${lastProbe?.detail ?? "not probed yet"}.`),
    ...(idle.length > 0 ? [`${namesOf(idle)} ${idle.length === 1 ? "is" : "are"} ready already.`] : []),
  ];
}

function weightLines(
  members: readonly UpstreamSnapshot[],
  weight: number | null | undefined,
): readonly string[] {
  const present = [...new Set(members.map((member) => String(member.weight)))];
  const from = present.length > 3 ? "different values" : joinWords(present);
  if (weight === undefined) return [`The weight now: ${from}.`];
  if (weight === null)
    return [`${namesOf(members)} ${members.length === 1 ? "goes" : "go"} back to the configured weight.`];
  const what = `The weight of ${namesOf(members)} goes from ${from} to ${weight}`;
  return [weight === 0 ? `${what}: nothing new is sent there.` : `${what}.`];
}

const rankWords: Readonly<Record<Forecast["rank"], string>> = {
  primaries: "",
  backups: "The backups step in. ",
  doubtful: "",
  nobody: "",
};

function shareLines(
  { rank, shares }: Forecast,
  acted: readonly UpstreamSnapshot[],
  place: string,
): readonly string[] {
  const taking = shares.filter(({ share }) => share > 0);
  const [first] = taking;
  if (!first) return [];
  const prefix = rankWords[rank];
  if (taking.length === 1) return [`${prefix}${first.id} takes everything${place}.`];
  const parts = taking.map(({ share }) => share);
  const [least, most] = [Math.min(...parts), Math.max(...parts)];
  const isEven = formatShare(least) === formatShare(most);
  const others =
    taking.length <= 3 ? joinWords(taking.map(({ id }) => id)) : othersWords(taking.length, acted, shares);
  if (isEven) return [`${prefix}${others} then take ${formatShare(least)} each${place}.`];
  if (taking.length > 3) {
    return [
      `${prefix}${others} then take between ${formatShare(least)} and ${formatShare(most)} each${place}.`,
    ];
  }
  const told = taking.map(({ id, share }) => `${id} ${formatShare(share)}`);
  return [`${prefix}Then ${joinWords(told)} of the traffic${place}.`];
}

function othersWords(count: number, acted: readonly UpstreamSnapshot[], shares: Forecast["shares"]): string {
  const isAmong = acted.some(({ id }) => shares.some((share) => share.id === id));
  return isAmong ? `All ${count}` : `The other ${count}`;
}

/** What is under way now, spread anew. Limits of one request in flight upwards; without any there is nothing to fill. */
function loadLines(pool: PoolSnapshot, { shares }: Forecast): readonly string[] {
  const whole = pool.upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const fullest = Math.max(0, ...shares.map(({ share, maxInFlight }) => (share * whole) / maxInFlight || 0));
  if (!Number.isFinite(fullest) || fullest < 0.05) return [];
  if (fullest < 1) return [`At most ${formatShare(fullest)} of the requests they may have in flight.`];
  return ["That is more than they may have in flight: requests will wait in the queue."];
}

function dangerLines({ name }: PoolSnapshot, before: Forecast, after: Forecast): readonly string[] {
  if (after.rank === before.rank || after.rank === "primaries" || after.rank === "backups") return [];
  if (after.rank === "nobody") return [`Nothing serves in pool ${name} then: clients get 503.`];
  return [`Pool ${name} is left with upstreams that are ejected or not checked yet.`];
}
