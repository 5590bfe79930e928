/** Actions over the attempts of an upstream: rescue, hedge, abort, reclaim. */

import type { Attempt, AttemptDriver, AttemptList } from "./attempt.ts";
import type { Upstream } from "./upstream.ts";

/**
 * An open attempt as it was when it was collected. Every action works in two steps: `collect` reads the lists and writes
 * nothing, `apply` calls the drivers afterwards. A driver's call may end other attempts, or reuse them for another request:
 * it may close a client's connection with everything that is pending on it. An attempt that is no longer the one that was
 * collected is skipped.
 */
interface Collected {
  readonly attempt: Attempt;
  readonly driver: AttemptDriver;
  readonly generation: number;
}

/** @param isWanted the first attempt for which it is false ends the list: lists are ordered, the longest wait first */
function collect(list: AttemptList, isWanted: (attempt: Attempt) => boolean = () => true): Collected[] {
  const collected: Collected[] = [];
  for (let attempt = list.oldest; attempt && isWanted(attempt); attempt = attempt.next) {
    const { driver, generation } = attempt;
    if (driver) collected.push({ attempt, driver, generation });
  }
  return collected;
}

/**
 * @param isApplicable whether an attempt that is still open is still in the state that the action is for
 * @returns for how many attempts the action returned true
 */
function apply(
  collected: readonly Collected[],
  isApplicable: (attempt: Attempt) => boolean,
  action: (driver: AttemptDriver, attempt: Attempt) => boolean,
): number {
  let count = 0;
  for (const { attempt, driver, generation } of collected) {
    const isSame = attempt.isOpen && attempt.generation === generation && attempt.driver === driver;
    if (isSame && isApplicable(attempt) && action(driver, attempt)) count += 1;
  }
  return count;
}

const isWaiting = (attempt: Attempt) => attempt.isWaiting;
const isOpen = () => true;
/** The client sends its request, or reads its response. */
const isClientsTurn = (attempt: Attempt) => !attempt.isWaiting && !attempt.isTunnel;

/** Moves every attempt that waits on the upstream to another one, if its request may move. */
export function rescueWaiting(upstream: Upstream): void {
  apply(collect(upstream.waiting), isWaiting, (driver, attempt) => {
    driver.rescue(attempt);
    return true;
  });
}

/**
 * Hedges every request that has waited on the upstream since `latest` or longer, the longest first: the retry budget may
 * not last for all of them. @param latest clock time
 */
export function hedgeWaiting(upstream: Upstream, latest: number): void {
  const { oldest } = upstream.waiting;
  if (!oldest || oldest.waitingSince > latest) return;
  const isDue = ({ waitingSince }: Attempt) => waitingSince <= latest;
  apply(collect(upstream.waiting, isDue), isWaiting, (driver, attempt) => {
    driver.hedge?.(attempt);
    return true;
  });
}

/** Ends every attempt on the upstream by force, when a drain takes too long. @returns how many; waiting ones may be retried */
export function abortAttempts(upstream: Upstream): number {
  const collected = [...collect(upstream.waiting), ...collect(upstream.responding)];
  return apply(collected, isOpen, (driver, attempt) => {
    driver.abort(attempt);
    return true;
  });
}

/**
 * Takes slots back from requests whose clients send or read too slowly, the longest first, when others wait for a slot.
 * Without it, as many slow clients as there are slots would stop the service for everyone else.
 * @param wanted slots that are waited for  @param now clock time
 */
export function reclaimSlots(upstreams: readonly Upstream[], wanted: number, now: number): void {
  let missing = wanted;
  apply(
    upstreams.flatMap(({ responding }) => collect(responding)),
    (attempt) => missing > 0 && isClientsTurn(attempt),
    (driver, attempt) => {
      if (driver.yieldSlot?.(attempt, now) !== true) return false;
      missing -= 1;
      return true;
    },
  );
}
