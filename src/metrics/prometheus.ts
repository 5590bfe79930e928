/** The Prometheus text format (version 0.0.4): families in, text out. It knows no metric of ours. */

import { sleep, systemClock } from "../lib/clock.ts";

export interface Sample {
  /** Appended to the family's name: "_sum", "_count", "_bucket" of a histogram. */
  readonly suffix?: string;
  /** Samples in a row that have the same object here have it written once. */
  readonly labels: Readonly<Record<string, string>>;
  /** Upper edge of a histogram's bucket: one more label. */
  readonly le?: string;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Names of the labels that each sample has, besides a histogram's `le`. */
  readonly labels: readonly string[];
  readonly samples: () => readonly Sample[];
}

/** Content type of {@link renderPrometheus}. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** Thousands of upstreams are megabytes of text: requests must not wait for all of it. */
const turnMs = 5;

/** Lets others have their turn in between; what is counted meanwhile may be in the later families and not in the first. */
export async function renderPrometheus(families: readonly Family[]): Promise<string> {
  const texts: string[] = [];
  let begunAt = systemClock();
  for (const family of families) {
    texts.push(textOf(family));
    if (systemClock() - begunAt < turnMs) continue;
    await sleep(0);
    begunAt = systemClock();
  }
  return texts.join("");
}

function textOf({ name, help, type, samples }: Family): string {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  let last: Sample["labels"] | undefined;
  let pairs = "";
  for (const { suffix = "", labels, le, value } of samples()) {
    if (labels !== last) pairs = pairsOf((last = labels));
    text += `${name}${suffix}${labelSet(pairs, le)} ${value}\n`;
  }
  return text;
}

function labelSet(pairs: string, le: string | undefined): string {
  if (le === undefined) return pairs === "" ? "" : `{${pairs}}`;
  return pairs === "" ? `{le="${le}"}` : `{${pairs},le="${le}"}`;
}

function pairsOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join();
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
