/** Curves of cost against work, and the points where cost grows faster than work. */

import { median, ratios } from "./figures.ts";

export interface CurvePoint {
  /** Of what the curve varies: upstreams, routes, connections, bytes or workers. */
  readonly x: number;
  /** CPU microseconds of a request in each round, without what the process costs when it is idle. */
  readonly costs: readonly number[];
  /** CPU milliseconds of a second without requests: probes and other timers. */
  readonly idleMs: number;
}

export interface Curve {
  readonly title: string;
  /** The name of the x axis. */
  readonly axis: string;
  readonly points: readonly CurvePoint[];
  /** The work of a request, which may grow with x by itself; without it each request is one unit. */
  readonly workOf?: (x: number) => number;
}

/** More than that is growth: a cache that no longer holds the data of all upstreams costs about 1.2. */
export const allowedGrowth = 1.5;

/** Costs of a unit of work, for each round. */
export function unitCosts({ workOf }: Curve, { x, costs }: CurvePoint): readonly number[] {
  return costs.map((cost) => cost / (workOf?.(x) ?? 1));
}

/**
 * The growth of each point: its cost for a unit of work as a multiple of that of the last point with a tenth of x or
 * less, else of the first. It is the median of the ratios within rounds.
 */
export function growthOf(curve: Curve): readonly number[] {
  return curve.points.map((point) => {
    const base = curve.points.findLast(({ x }) => x <= point.x / 10) ?? curve.points[0] ?? point;
    return median(ratios(unitCosts(curve, point), unitCosts(curve, base)));
  });
}

/** A sentence for each point where cost grows faster than work; empty if there is none. */
export function tooSteep(curves: readonly Curve[]): readonly string[] {
  return curves.flatMap((curve) =>
    growthOf(curve).flatMap((growth, index) => {
      const { x = 0 } = curve.points[index] ?? {};
      if (growth <= allowedGrowth) return [];
      return [
        `${curve.title}: cost grows faster than work at ${x} ${curve.axis}, ${growth.toFixed(2)} × in a decade`,
      ];
    }),
  );
}
