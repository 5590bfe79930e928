/** `evenkeel explain`: what became of one request, in sentences, and its attempts and phases as tables. */

import type { Verb } from "../cli/verbs.ts";
import { type AdminCall, type Failed, listOf, mapOf } from "./admin-call.ts";
import { columnsOf } from "./columns.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

export async function explain(
  { request, asJson }: Extract<Verb, { verb: "explain" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const answer = await call({ path: `/api/requests/${encodeURIComponent(request)}` });
  if (answer.kind === "failed") return answer;
  if (asJson) terminal.write(`${JSON.stringify(answer.value)}\n`);
  else terminal.write(`${explanationOf(answer.value, terminal.hasColour).join("\n")}\n`);
  return 0;
}

/** @param told `account` has the sentences; each other list of maps becomes a table */
export function explanationOf(told: unknown, hasColour: boolean): readonly string[] {
  const { account, ...details } = mapOf(told);
  const sentences = listOf(account).map((sentence) => plainText(String(sentence)));
  const tables = Object.entries(details).flatMap(([name, value]) => {
    const rows = listOf(value).map(mapOf);
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) =>
      rows.every((row) => typeof row[key] !== "object" || row[key] === null),
    );
    if (rows.length === 0 || keys.length === 0) return [];
    const isNumber = (key: string) => rows.every((row) => typeof row[key] === "number");
    const lines = columnsOf(
      [
        keys.map((key) => ({ text: wordsOf(key).toUpperCase(), tone: "dim" as const })),
        ...rows.map((row) => keys.map((key) => shown(row[key]))),
      ],
      { right: keys.flatMap((key, column) => (isNumber(key) ? [column] : [])), hasColour },
    );
    return ["", wordsOf(name), ...lines];
  });
  return [...sentences, ...tables];
}

/** "startedAt" → "started at" */
function wordsOf(key: string): string {
  return plainText(key.replace(/([A-Z])/g, " $1").toLowerCase());
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : String(value);
}
