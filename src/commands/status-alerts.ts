/** What `status` says before the pools because it concerns the whole balancer: the dashboard's alerts, a line each. */

import { expiryWords } from "../config/expiry.ts";
import { notKeptWords, refusedWords, restartWords, sheddingWords } from "../dashboard/alert-words.ts";
import { formatTime } from "../dashboard/format.ts";
import type { Snapshot } from "../snapshot.ts";

export function alertLines({
  at,
  memory,
  notKept,
  certificates = [],
  configuration,
}: Snapshot): readonly string[] {
  const { refused, needsRestart } = configuration;
  return [
    ...(memory.shedding ? [sheddingWords(memory)] : []),
    ...(notKept ? [notKeptWords(notKept)] : []),
    ...certificates.flatMap((certificate) => {
      const words = expiryWords(certificate, at);
      return words === undefined ? [] : [`  certificate from ${certificate.path} ${words}`];
    }),
    ...(refused ? refusedLines(refused) : []),
    ...(needsRestart.length > 0
      ? [`${restartWords(needsRestart).slice(0, -1)}: ${needsRestart.join(", ")}`]
      : []),
  ];
}

function refusedLines(refused: NonNullable<Snapshot["configuration"]["refused"]>): readonly string[] {
  const [what, outcome] = refusedWords(refused);
  const [first, ...others] = refused.problems;
  const more = others.length > 0 ? ` (and ${others.length} more: evenkeel check)` : "";
  return [
    `${what} ${formatTime(refused.at)} ${outcome}`,
    ...(first === undefined ? [] : [`  ${first}${more}`]),
  ];
}
