/** Metrics of the open problems: how many by kind and level, and how many requests fail because of them. */

import type { Family } from "../metrics/prometheus.ts";
import { ownProblemKinds, problemLevels, type ServiceProblem } from "./problem.ts";

/** Every kind and level has a sample, also at 0, so that rules can tell an end from a missing metric. */
export function problemFamilies(open: readonly ServiceProblem[]): readonly Family[] {
  return [
    {
      name: "evenkeel_problems",
      help: "Open problems, by kind and level. A problem that is part of another one does not count.",
      type: "gauge",
      labels: ["kind", "level"],
      samples: () =>
        ownProblemKinds.flatMap((kind) =>
          problemLevels.map((level) => ({
            labels: { kind, level },
            value: open.filter((problem) => problem.kind === kind && problem.level === level).length,
          })),
        ),
    },
    {
      name: "evenkeel_problem_harm",
      help: "Requests a second that fail at clients because of open problems of a kind.",
      type: "gauge",
      labels: ["kind"],
      samples: () =>
        ownProblemKinds.map((kind) => ({
          labels: { kind },
          value: open.reduce((sum, problem) => sum + (problem.kind === kind ? problem.hits.perSecond : 0), 0),
        })),
    },
  ];
}
