/** Problems of the balancer itself: short memory or descriptors, unsaved state, a refused configuration, a failed upgrade, lost logs. */

import { advice, balancerAct, dismissAct, readAct } from "./advice.ts";
import { causeFrom, changeBefore } from "./cause.ts";
import type { Detection } from "./detection.ts";
import type { DescriptionContext, Finding } from "./finding.ts";
import type { ProblemKind, ProblemLevel } from "./problem.ts";
import { roundCount } from "./steady-number.ts";
import { clockText, countedNoun, countText, foreignText, shortageOf, storageText } from "./wording.ts";

export const balancerKinds = [
  "front_door",
  ...(["shedding", "exhaustion", "state_not_kept", "reload_refused", "upgrade_failed", "log_lost"] as const),
] satisfies readonly ProblemKind[];

/** @param turnedAwayPerSecond requests that get 5xx before any attempt, in all pools */
export function detectBalancerState(detection: Detection, turnedAwayPerSecond: number): void {
  for (const finding of [
    frontDoorFinding(detection),
    sheddingFinding(detection, turnedAwayPerSecond),
    exhaustionFinding(detection, turnedAwayPerSecond),
    unsavedFinding(detection),
    refusedFinding(detection),
    failedUpgradeFinding(detection),
    lostFinding(detection),
  ])
    if (finding) detection.report(finding);
}

const noLinks = { requests: null, history: null } as const;
const noHits = { routes: [], share: null, perSecond: 0, requests: 0 } as const;

interface BalancerFinding {
  readonly level: ProblemLevel;
  readonly failing?: number;
  readonly describe: Finding["describe"];
}

function findingOf(kind: ProblemKind, { level, failing = 0, describe }: BalancerFinding): Finding {
  return { kind, key: "", pool: null, upstream: null, verdict: "enter", level, failing, describe };
}

/** With one of these the balancer itself answers 5xx. */
const answeredBy5xx = ["pool_empty", "panic", "pool_errors", "queue", "shedding", "exhaustion"] as const;

function frontDoorFinding({ sample: { frontDoor }, isOpen, openKeys }: Detection): Finding | undefined {
  if (!frontDoor) return undefined;
  const { address, since, why } = frontDoor;
  const isExplained = why.startsWith("status 5") && answeredBy5xx.some((kind) => openKeys(kind).length > 0);
  if (isExplained && !isOpen("front_door", address)) return undefined;
  return {
    ...findingOf("front_door", {
      level: "critical",
      describe: () => ({
        title: `Clients cannot reach ${foreignText(address)}: ${foreignText(why)}`,
        hits: { ...noHits, words: "Every new request, as far as a check from here can tell" },
        cause: { words: `The last try: ${foreignText(why)}.`, code: "no_answer", event: null },
        do: advice(
          readAct("See the balancer", "evenkeel status"),
          "Look at the address, the firewall and the way between clients and the balancer.",
        ),
        measure: null,
        links: noLinks,
      }),
    }),
    key: address,
    since,
  };
}

function sheddingFinding({ sample }: Detection, failing: number): Finding | undefined {
  const { memory, events } = sample;
  if (!memory.shedding) return undefined;
  const mebibytes = (bytes: number) => countText(Math.round(bytes / 2 ** 20));
  return findingOf("shedding", {
    level: "critical",
    failing,
    describe: (context) => {
      const used = context.steady.show("used", memory.rssBytes, (bytes) => bytes);
      const limit = memory.limitBytes === null ? "" : ` of ${mebibytes(memory.limitBytes)}`;
      return {
        title: `New requests are refused: memory is short (${mebibytes(used)}${limit} MiB)`,
        hits: { ...noHits, words: "Every new request, until memory is a tenth below its limit" },
        cause: causeFrom([changeBefore({ events, ...timesOf(context), pool: null, upstream: null })]),
        do: advice(
          readAct("See who connects", "evenkeel status"),
          "Look for slow clients and large bodies. Raise maxMemory if the machine has more.",
        ),
        measure: {
          value: memory.rssBytes,
          peers: null,
          enter: memory.limitBytes ?? 0,
          leave: 0.9 * (memory.limitBytes ?? 0),
          window: "now",
          n: null,
        },
        links: noLinks,
      };
    },
  });
}

function timesOf({ at, since }: DescriptionContext) {
  return { at, since };
}

function exhaustionFinding({ sample: { exhaustion } }: Detection, failing: number): Finding | undefined {
  if (!exhaustion) return undefined;
  const { code, failures } = exhaustion;
  const what = shortageOf(code);
  return findingOf("exhaustion", {
    level: "critical",
    failing,
    describe: ({ steady }) => ({
      title: `The balancer has no ${what} left`,
      hits: {
        ...noHits,
        words: `${countedNoun(steady.show("failures", failures, roundCount), "connect")} to upstreams failed`,
      },
      cause: { words: `The system answers ${code}. The upstreams are not to blame.`, code, event: null },
      do: advice(
        readAct("See who connects", "evenkeel status"),
        code === "EMFILE"
          ? "Raise the limit on open files (ulimit -n, LimitNOFILE)."
          : "Close what holds them, or raise the system's limit.",
      ),
      measure: null,
      links: noLinks,
    }),
  });
}

function unsavedFinding({ sample: { notKept } }: Detection): Finding | undefined {
  if (!notKept) return undefined;
  const { since, why } = notKept;
  return {
    ...findingOf("state_not_kept", {
      level: "warning",
      describe: ({ at }) => ({
        title: `Changes are not saved since ${clockText(since, at)}: ${storageText(why)}`,
        hits: {
          ...noHits,
          words: "No client. What operators set counts now, and may be lost on a restart",
        },
        cause: { words: `The state file: ${foreignText(why)}`, code: "not_written", event: null },
        do: advice(
          readAct("Copy the state", "evenkeel state export"),
          "Make room or repair the path. The next write saves all; until then do not restart.",
        ),
        measure: null,
        links: noLinks,
      }),
    }),
    since,
  };
}

function refusedFinding({ sample, isOpen }: Detection): Finding | undefined {
  const { refused, dismissed, events } = sample;
  if (!refused) return dismissed?.has("reload_refused") ? dismissal("reload_refused", isOpen) : undefined;
  const { at: refusedAt, by, problems } = refused;
  const [first = ""] = problems;
  const event = events.findLast(({ kind, to }) => kind === "reload" && to === "refused")?.seq ?? null;
  const more = problems.length > 1 ? ` (${countedNoun(problems.length - 1, "more problem")})` : "";
  return {
    ...findingOf("reload_refused", {
      level: "warning",
      describe: ({ id, at }) => ({
        title: `The configuration was refused: ${configPlace(first)}`,
        hits: { ...noHits, words: "No client. The configuration of before stays in use" },
        cause: {
          words: `${by} at ${clockText(refusedAt, at)}: ${foreignText(first)}${more}`,
          code: "configuration_invalid",
          event,
        },
        do: advice(
          balancerAct("reload", "Reload the mended file", null),
          "Mend the file and reload it. `evenkeel check` names every problem with its line.",
          dismissAct(id),
        ),
        measure: null,
        links: noLinks,
      }),
    }),
    since: refusedAt,
  };
}

/** An operator has called it over, and what it was found in is gone. Its words stay. */
function dismissal(kind: ProblemKind, isOpen: Detection["isOpen"]): Finding | undefined {
  if (!isOpen(kind, "")) return undefined;
  return { ...findingOf(kind, { level: "warning", describe: () => undefined }), verdict: "dismiss" };
}

/** It ends with an upgrade that succeeds: the next process has no failed one. */
function failedUpgradeFinding({ sample: { failedUpgrade, events } }: Detection): Finding | undefined {
  if (!failedUpgrade) return undefined;
  const { at: failedAt, by, why } = failedUpgrade;
  const [first = "", ...others] = why.split("\n");
  const what = foreignText(first.replace(/\.$/, ""));
  const event = events.findLast(({ kind, to }) => kind === "upgrade" && to === "failed")?.seq ?? null;
  const more = others.length > 0 ? ` (${countedNoun(others.length, "more line")})` : "";
  return {
    ...findingOf("upgrade_failed", {
      level: "warning",
      describe: ({ at }) => ({
        title: `The last upgrade failed: ${what}`,
        hits: {
          ...noHits,
          words: "No client. The process of before goes on, with its version and configuration",
        },
        cause: {
          words: `${by} at ${clockText(failedAt, at)}: ${what}${more}`,
          code: "not_taken_over",
          event,
        },
        do: advice(
          readAct("Check the new version", "evenkeel version --check"),
          "Mend the cause, then run `evenkeel upgrade` again. With the old executable in its place that ends this problem too.",
        ),
        measure: null,
        links: noLinks,
      }),
    }),
    since: failedAt,
  };
}

/**
 * "line 41, weight -1" from "Cannot use pools[0].weight at evenkeel.yaml:41:7: expected … (received -1)."; the sentence
 * itself in any other form.
 */
function configPlace(sentence: string): string {
  const found = /^Cannot (?:use|read) (.+?) at \S+?:(\d+):\d+: (.+?)(?: \(received (.+)\))?[.?]?$/s.exec(
    sentence.split("\n")[0] ?? "",
  );
  if (!found) return foreignText(sentence.replace(/\.$/, ""));
  const [, path = "", line = "", why = "", received] = found;
  const key = /([^.[\]]+)(?:\[\d+\])*$/.exec(path)?.[1] ?? path;
  return foreignText(`line ${line}, ${received === undefined ? `${key}: ${why}` : `${key} ${received}`}`);
}

function lostFinding({ lost60 }: Detection): Finding | undefined {
  if (lost60 <= 0) return undefined;
  return findingOf("log_lost", {
    level: "notice",
    describe: ({ steady }) => ({
      title: `${countText(steady.show("lost", lost60, roundCount))} log lines or spans were lost in a minute`,
      hits: { ...noHits, words: "No client. Logs and traces have gaps" },
      cause: {
        words: "The disk, the reader of the log or the collector of spans is too slow, or away.",
        code: "sink_slow",
        event: null,
      },
      do: advice(
        readAct("See the log settings", "evenkeel check"),
        "Look at disk and collector; log to a faster place, or trace a smaller share.",
      ),
      measure: { value: lost60, peers: null, enter: 1, leave: 1, window: "60s", n: null },
      links: noLinks,
    }),
  });
}
