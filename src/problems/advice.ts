/** What to do about a problem: acts with their command, and whether an act is safe now. */

import type { AdviceVerb, ProblemAct, ProblemAdvice, ProblemLinks } from "./problem.ts";
import type { PoolTraffic, UpstreamTraffic } from "./traffic.ts";
import { countedNoun, percentText } from "./wording.ts";

/** Peers must not have more of their slots in use than this. */
export const maxSlotShare = 0.8;

/** Nor carry more than this multiple of what they carried in the busiest minute of the week. */
export const maxPeakMultiple = 1.2;

/** What follows if an upstream gets no more requests. */
export interface DrainEffect {
  readonly isSafe: boolean;
  /** "Its 11 peers then get 9 % more each." */
  readonly words: string;
}

export function effectOfDraining(pool: PoolTraffic, { sample }: UpstreamTraffic): DrainEffect {
  const serving = pool.upstreams.filter(({ sample: { fit, weight } }) => fit && weight > 0);
  const peers = serving.filter((upstream) => upstream.sample.id !== sample.id);
  if (peers.length === 0) {
    const backups = pool.upstreams.filter(
      ({ sample: one }) => one.backup && one.status === "passing" && one.id !== sample.id,
    );
    if (backups.length > 0)
      return {
        isSafe: true,
        words: `Then ${countedNoun(backups.length, "backup")} ${backups.length === 1 ? "serves" : "serve"}.`,
      };
    return { isSafe: false, words: "No other upstream of its pool serves: then no request is answered." };
  }
  const share = shareOfPool(pool, sample.id);
  const more = share < 1 ? share / (1 - share) : 1;
  const one = peers.length === 1;
  const peerWords = one ? "Its one peer" : `Its ${peers.length} peers`;
  const words = `${peerWords} then ${one ? "gets" : "get"} ${percentText(more)} more${one ? "" : " each"}`;
  const reason = overloadOf(pool, peers);
  return reason === undefined
    ? { isSafe: true, words: `${words}.` }
    : { isSafe: false, words: `${words}: ${reason}.` };
}

/** Its share of the pool's attempts in the last 30 s; of the weights while there are none. */
function shareOfPool({ upstreams, attempts30 }: PoolTraffic, id: string): number {
  const own = upstreams.find(({ sample }) => sample.id === id);
  if (!own) return 0;
  if (attempts30 >= 20) return own.requests30 / attempts30;
  if (!own.sample.fit) return 0;
  const weights = upstreams.reduce((sum, { sample: { fit, weight } }) => sum + (fit ? weight : 0), 0);
  return weights > 0 ? own.sample.weight / weights : 0;
}

function overloadOf(pool: PoolTraffic, peers: readonly UpstreamTraffic[]): string | undefined {
  const slots = peers.reduce((sum, { sample: { maxInFlight } }) => sum + maxInFlight, 0);
  const inFlight = pool.upstreams.reduce((sum, { sample }) => sum + sample.inFlight, 0);
  if (Number.isFinite(slots) && slots > 0 && inFlight > maxSlotShare * slots)
    return `${percentText(inFlight / slots)} of their slots are then in use`;
  const peak = pool.sample.usual?.peakPerSecond ?? null;
  if (peak === null || peak <= 0) return undefined;
  const carried = pool.perSecond / peers.length;
  const most = peak / (peers.length + 1);
  return carried > maxPeakMultiple * most ? "more than in the busiest minute of the week" : undefined;
}

/** A name as one word of a command line. */
export function shellWord(name: string): string {
  return /^[\w.@%+=:,/-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

interface UpstreamAct {
  readonly verb: "drain" | "maintenance" | "ready" | "weight";
  readonly upstream: string;
  readonly label: string;
  readonly isSafe: boolean;
  /** Id of the problem, as the reason of the command. */
  readonly id: string;
  /** The weight to set. */
  readonly weight?: number;
}

export function upstreamAct({ verb, upstream, label, isSafe, id, weight }: UpstreamAct): ProblemAct {
  const options = [
    ...(weight === undefined ? [] : [String(weight)]),
    ...(verb === "drain" ? ["--wait", "30s"] : []),
  ];
  const command = ["evenkeel", verb, shellWord(upstream), ...options, "--reason", id].join(" ");
  // "…" marks an act that asks first.
  return { label: isSafe ? label : `${label}…`, verb, upstream, safe: isSafe, role: "operator", command };
}

/** Something to look at. @param command the same on the command line */
export function readAct(label: string, command: string | null = null): ProblemAct {
  return { label, verb: "read", upstream: null, safe: true, role: "viewer", command };
}

/** A command for the balancer as a whole. */
export function balancerAct(
  verb: Extract<AdviceVerb, "reload" | "certificates">,
  label: string,
  command: string | null,
): ProblemAct {
  return { label, verb, upstream: null, safe: true, role: "admin", command };
}

/** Calls a problem over that stays until an operator has seen to it. */
export function dismissAct(id: string): ProblemAct {
  return {
    ...{ label: "Dismiss", verb: "dismiss", upstream: null, safe: true, role: "operator" },
    command: `evenkeel problems dismiss ${id}`,
  };
}

export function advice(act: ProblemAct, words: string, beside: ProblemAct | null = null): ProblemAdvice {
  return { ...act, words, beside };
}

/** Drains it, with what follows. */
export function drainAdvice(
  pool: PoolTraffic,
  upstream: UpstreamTraffic,
  { id, beside = null }: { readonly id: string; readonly beside?: ProblemAct | null },
): ProblemAdvice {
  const name = upstream.sample.id;
  const effect = effectOfDraining(pool, upstream);
  const act = upstreamAct({
    verb: "drain",
    upstream: name,
    label: `Drain ${name}`,
    isSafe: effect.isSafe,
    id,
  });
  return advice(act, `Drain it. ${effect.words}`, beside);
}

/** For a problem that a fault injection causes. */
export function endFaultAdvice(upstream: string): ProblemAdvice {
  const act = readAct("See the fault", `evenkeel rehearse ${shellWord(upstream)} --end`);
  return advice(act, "A fault injection causes it. It ends by itself, or with the command.");
}

/** What the balancer recorded of an upstream. */
export function seeUpstream(upstream: string): ProblemAct {
  return readAct(`See ${upstream}`, `evenkeel events --upstream ${shellWord(upstream)}`);
}

/** Lets an upstream that an operator took out, and whose check passes, take requests again. Null if there is none. */
export function readyAct({ upstreams }: PoolTraffic, id: string): ProblemAct | null {
  const found = upstreams.find(
    ({ sample: { status, probePassed } }) =>
      (status === "draining" || status === "maintenance") && probePassed === true,
  );
  if (!found) return null;
  const { id: upstream } = found.sample;
  return upstreamAct({ verb: "ready", upstream, label: `Let ${upstream} serve again`, isSafe: true, id });
}

/** From shortly before it began until now. */
const leadMs = 2 * 60_000;

export function linksTo(
  { pool, upstream }: { readonly pool: string | null; readonly upstream: string | null },
  since: number,
  outcome: "failed" | "slow" = "failed",
): Omit<ProblemLinks, "self"> {
  // A colon needs no escape in a query. Not by URLSearchParams, which takes ten times as long: this is done each second.
  const range = `from=${new Date(since - leadMs).toISOString()}&to=now`;
  const subject = [
    ...(pool === null ? [] : [`&pool=${encodeURIComponent(pool)}`]),
    ...(upstream === null ? [] : [`&upstream=${encodeURIComponent(upstream)}`]),
  ].join("");
  return {
    requests: `/requests?${range}${subject}&outcome=${outcome}`,
    history: `/history?${range}${subject}`,
  };
}
