/** What `status` says before the pools because it concerns the whole balancer: the dashboard's alerts, a line each. */

import { certificateText, unsavedText, refusedText, restartText, sheddingText } from "../wording/alerts.ts";
import { formatTime } from "../wording/format.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";

export function alertLines({
  at,
  memory,
  notKept,
  certificates = [],
  configuration,
}: Snapshot): readonly string[] {
  const { refused, needsRestart } = configuration;
  return [
    ...(memory.shedding ? sentencesOf(sheddingText(memory)) : []),
    ...(notKept ? sentencesOf(unsavedText(notKept)) : []),
    ...certificates.flatMap((certificate) => {
      const [what, deed] = certificateText(certificate, needsRestart, at) ?? [];
      return what === undefined ? [] : [what, `  ${deed}`];
    }),
    ...(refused ? refusedLines(refused) : []),
    ...(needsRestart.length > 0
      ? [`${restartText(needsRestart).slice(0, -1)}: ${needsRestart.join(", ")}`]
      : []),
  ];
}

/** What happens on one line and the rest on another: a terminal cuts what is too long for it. */
function sentencesOf(words: string): readonly string[] {
  const end = words.indexOf(". ") + 1;
  return end > 0 ? [words.slice(0, end), `  ${words.slice(end + 1)}`] : [words];
}

function refusedLines(refused: NonNullable<Snapshot["configuration"]["refused"]>): readonly string[] {
  const [what, outcome] = refusedText(refused);
  const [first, ...others] = refused.problems;
  const more = others.length > 0 ? ` (and ${others.length} more: evenkeel check)` : "";
  return [
    `${what} ${formatTime(refused.at)} ${outcome}`,
    ...(first === undefined ? [] : [`  ${first}${more}`]),
  ];
}
