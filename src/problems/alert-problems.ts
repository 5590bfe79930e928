/** A receiver of alerts that has not taken any for ten minutes: the balancer may fail, and no one may be told. */

import { advice, readAct, shellWord } from "./advice.ts";
import type { Detection } from "./detection.ts";
import type { ProblemKind } from "./problem.ts";
import { clockText, foreignText, someNames } from "./wording.ts";

export const alertProblemKinds = ["alert_lost"] as const satisfies readonly ProblemKind[];

/** A receiver restarts sooner than that. */
const lostAfterMs = 10 * 60_000;

/** One problem for all receivers: otherwise each would be told of all others. */
export function detectAlerts({ sample: { at, failingReceivers }, report }: Detection): void {
  const lost = failingReceivers.filter(({ since }) => at - since >= lostAfterMs);
  const [first] = lost;
  if (!first) return;
  const since = Math.min(...lost.map((receiver) => receiver.since));
  report({
    ...{ kind: "alert_lost", key: "", pool: null, upstream: null, verdict: "enter" },
    ...{ level: "warning", failing: 0, since },
    describe: () => ({
      title:
        lost.length === 1
          ? `Alerts do not reach ${foreignText(first.name)} since ${clockText(since, at)}`
          : `Alerts do not reach ${lost.length} receivers`,
      hits: {
        ...{ words: "No client. Who relies on these alerts is not told", routes: [] },
        ...{ share: null, perSecond: 0, requests: 0 },
      },
      cause: {
        words:
          lost.length === 1
            ? `The last try: ${foreignText(first.answer)}.`
            : `${someNames(lost.map(({ name }) => foreignText(name)))}. The last try: ${foreignText(first.answer)}.`,
        code: "not_delivered",
        event: null,
      },
      do: advice(
        readAct("Send a test", `evenkeel alerts test ${shellWord(first.name)}`),
        "Look at the receiver, its address and its secret. What waits is sent in order for 24 hours.",
      ),
      measure: null,
      links: { requests: null, history: null },
    }),
  });
}
