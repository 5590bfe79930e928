/** Renders metric families in the Prometheus text format (version 0.0.4). */

import { sleep, systemClock } from "../lib/clock.ts";

export interface Sample {
  /** Appended to the name of the family: "_sum", "_count", "_bucket" of a histogram. */
  readonly suffix?: string;
  /** Consecutive samples with the same object share its rendered text. */
  readonly labels: Readonly<Record<string, string>>;
  /** Upper edge of a histogram bucket, rendered as one more label. */
  readonly le?: string;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Label names of each sample, without the `le` of a histogram. */
  readonly labels: readonly string[];
  readonly samples: () => readonly Sample[];
}

/** Content type of {@link renderPrometheus}. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** Maximum time before yielding to the event loop: thousands of upstreams are megabytes of text. */
const sliceMs = 5;

/**
 * Yields to the event loop between families so that requests do not wait. Later families may therefore contain counts that
 * earlier ones do not.
 */
export async function renderPrometheus(families: readonly Family[]): Promise<string> {
  const texts: string[] = [];
  let sliceStartedAt = systemClock();
  for (const family of families) {
    texts.push(renderFamily(family));
    if (systemClock() - sliceStartedAt < sliceMs) continue;
    await sleep(0);
    sliceStartedAt = systemClock();
  }
  return texts.join("");
}

function renderFamily({ name, help, type, samples }: Family): string {
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
